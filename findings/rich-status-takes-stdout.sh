#!/bin/bash
# rich: while a status is shown on standard error, print() goes to the terminal, even if stdout is redirected.
#
# Expected: Console(stderr=True) affects only standard error. `program >answer.txt` writes its print() into the file, while
#   a spinner is on the terminal.
# Seen: if their console is a terminal, Console.status, Live and Progress replace sys.stdout while they run, and do not check
#   whether sys.stdout is a terminal. Printed text appears above the spinner, and the file stays empty; the exit code is 0.
#   Without a terminal, in a test or in cron, the file is complete.
# lmctl: every Live and Progress has redirect_stdout=False. Console.status has no such argument, so lmctl has its own status
#   (lmctl/cli/console.py).
#
# 2026-11-27, rich 15.0.0, Python 3.11, Linux: status: file '', on the terminal; Live with redirect_stdout=False: file
#   'answer\n', not on the terminal
. "$(dirname "$0")/lib.sh"
environment venv rich==15.0.0
cat >status.py <<'PY'
from rich.console import Console

with Console(stderr=True).status("working"):
    print("answer")
PY
cat >live.py <<'PY'
from rich.console import Console
from rich.live import Live

with Live("working", console=Console(stderr=True), redirect_stdout=False):
    print("answer")
PY
TERM=xterm venv/bin/python - <<'PY'
import os
import pathlib
import pty
import subprocess
import sys


def run(script):
    """What a script leaves in a file as its standard output, and what a terminal gets as its standard error."""
    terminal, end = pty.openpty()
    with open("answer.txt", "wb") as file:
        process = subprocess.Popen([sys.executable, script], stdin=subprocess.DEVNULL, stdout=file, stderr=end)
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # Linux: the other end was closed.
        pass
    assert process.wait() == 0
    return pathlib.Path("answer.txt").read_text(), b"answer" in shown


seen = {script: run(script) for script in ("status.py", "live.py")}
for script, (text, shown) in seen.items():
    print(f"{script}: file {text!r}, {'on' if shown else 'not on'} the terminal")
assert seen == {"status.py": ("", True), "live.py": ("answer\n", False)}
PY
