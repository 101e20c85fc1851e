"""The README's session, run as it stands there, after what `make demo` runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Another processor, or another number of threads, gave figures up to 0.3 % away.
TOLERANCE = 0.02
NUMBER = re.compile(r"-?\d+\.\d+")


def sessions():
    """Every `$ command` of the README's console blocks, with the lines printed after it."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```console\n(.*?)```", readme, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *printed = part.rstrip("\n").split("\n")
            yield command, printed


def python_block():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    return block


def demo():
    """The commands of `make demo`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^demo: setup\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    return [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


def assert_alike(lines, printed):
    """Every word and whole number as printed; a number with a point as near as processors are to each other."""
    shown, expected = "\n".join(lines), "\n".join(printed)
    assert NUMBER.sub("#", shown) == NUMBER.sub("#", expected)
    numbers = [float(number) for number in NUMBER.findall(shown)]
    assert numbers == pytest.approx([float(number) for number in NUMBER.findall(expected)], rel=TOLERANCE)


class Shell:
    """One shell in which commands are run one after the other."""

    def __init__(self, folder):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LMCTL_"))}
        # The command is found where the README says, and nowhere else.
        kept["PATH"] = os.defpath
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, command):
        """The lines that a command prints; it has to succeed."""
        self._shell.stdin.write(f'{command}\necho "--- $?"\n')
        self._shell.stdin.flush()
        lines = []
        while not (line := self._shell.stdout.readline()).startswith("--- "):
            assert line, f"the shell ended: {command}"
            lines.append(line.rstrip("\n"))
        assert line == "--- 0\n", (command, lines)
        return lines

    def close(self):
        self._shell.communicate(timeout=60)


@pytest.mark.slow
def test_the_session_after_the_demo_prints_what_the_readme_shows(tmp_path):
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    shell = Shell(tmp_path)

    for command in demo():
        assert shell.run(command)
    for command, printed in sessions():
        assert_alike(shell.run(command), printed)
    shell.close()

    expected = next(printed for command, printed in sessions() if '"she opened the"' in command)[-1]
    done = subprocess.run(
        [sys.executable, "-c", f"{python_block()}\nprint(model.predict('she opened the', k=1)[0].word)"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == [expected.split()[0]]


def test_the_readme_shows_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
