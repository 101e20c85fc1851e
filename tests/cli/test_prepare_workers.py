"""`lmctl prepare` with several workers: a run that is killed, stopped, or started in a hostile folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import LONGEST_SECONDS, wait_until

# `lmctl` with small chunks, so that a short text needs several workers.
SMALL_CHUNKS = """
import sys
from lmctl.jobs import prepare
prepare.CHUNK_BYTES = 2000
from lmctl.cli import main
main()
"""
# The same, but no worker finishes its first chunk, so the run goes on until the test ends it.
ENDLESS = SMALL_CHUNKS.replace(
    "from lmctl.cli",
    """
from lmctl.jobs import workers
endless = "import time; from lmctl.corpus import chunks as m; m.ChunkEncoder.__call__ = lambda *_: time.sleep(9e3)"
workers.START = workers.START.replace("from lmctl", f"{endless}; from lmctl")
from lmctl.cli""",
)
# A module that prints its name when it is imported, and ends the process.
INTRUDER = "import os, sys; os.write(2, f'{__name__} was imported\\n'.encode()); sys.exit(99)\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number} {number % 7} {number % 11}\n" for number in range(4000)))
    return path


def endless_run(folder, text, **options):
    command = [
        sys.executable,
        "-P",
        "-c",
        ENDLESS,
        "prepare",
        text,
        "-o",
        folder / "out",
        "--jobs",
        "2",
        "-q",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, **options)


def children_of(process):
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def some_children(process):
    """Wait until there are workers, and return their process ids."""
    while True:
        assert process.poll() is None
        # A process that has just been forked still has the command line of its parent.
        children = [child for child in children_of(process) if b"spawn_main" in command_line(child)]
        if children:
            return children
        time.sleep(0.01)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_gone(pid):
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_run_whose_worker_is_killed_ends_with_one_line_and_without_its_lock(text, tmp_path):
    process = endless_run(tmp_path, text)
    os.kill(some_children(process)[0], signal.SIGKILL)
    _, error = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == 1
    assert error.decode().startswith("lmctl: a worker process was killed (SIGKILL)")
    assert error.count(b"\n") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"lock"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_whose_workers_do_not_answer_can_be_ended(text, tmp_path, number, code):
    process = endless_run(tmp_path, text, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    children = some_children(process)
    for child in children:
        os.kill(child, signal.SIGSTOP)
    process.send_signal(number)
    _, error = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == code
    assert error.count(b"\n") == 1
    assert all(is_gone(child) for child in children)


def test_no_worker_outlives_a_run_that_is_killed(text, tmp_path):
    process = endless_run(tmp_path, text)
    children = some_children(process)
    process.kill()
    process.communicate()

    wait_until(lambda: all(is_gone(child) for child in children))


def modules_after(code):
    command = [sys.executable, "-I", "-S", "-c", f"{code}; import sys; print(*sys.modules)"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()


@pytest.mark.parametrize("start", [["-P", "-c", SMALL_CHUNKS], ["-m", "lmctl"]])
def test_nothing_of_the_current_folder_is_imported(text, tmp_path, start):
    # lmctl cannot prevent the imports of `python -m` itself, before it finds lmctl. `python -P -m` is safe.
    by_python = {"importlib", "runpy", *modules_after("import runpy")} if start[0] == "-m" else set()
    names = {*sys.stdlib_module_names, "numpy", "click", "rich", "msgspec", "yaml", "jieba", "rjieba", "filelock"}
    for name in names - by_python:
        (tmp_path / f"{name}.py").write_text(INTRUDER)
    assert (tmp_path / "socket.py").exists()
    assert (tmp_path / "typing.py").exists()
    # A folder named lmctl that is no package is not imported either.
    (tmp_path / "lmctl").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    arguments = ["prepare", text, "-o", tmp_path / "out", "--jobs", "2", "-q"]

    finished = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, b"")
