"""Sessions in documents: console blocks in Markdown, which a shell runs, and their output."""

import os
import re
import subprocess
from itertools import takewhile

import pytest
from waiting import LONGEST_SECONDS

# With another processor, or another number of threads, the figures of a network differed by up to 0.3 %.
NETWORK_TOLERANCE = 0.02
# Training on a part of a small corpus may also stop at another epoch.
EARLY_STOPPING_TOLERANCE = 0.2
# Figures of n-grams are the same everywhere; the last printed digit may be rounded the other way.
COUNTED_TOLERANCE = 1e-3
NUMBER = re.compile(r"-?\d+\.\d+")


def sessions(text):
    """Every `$ command` of the console blocks in Markdown, with the lines printed after it.

    Lines after a command that start with `> ` continue it. A Python block that starts with `# NAME.py` is the
    command that writes this file.
    """
    for kind, block in re.findall(r"^```(console|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if kind == "python":
            if name := re.match(r"# (\w+\.py)\n", block):
                yield f"cat > {name[1]} <<'END'\n{block}END", []
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *lines = part.removesuffix("\n").split("\n")
            continued = list(takewhile(lambda line: line.startswith("> "), lines))
            yield "\n".join([command, *(line[2:] for line in continued)]), lines[len(continued) :]


def python_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def without_numbers(lines):
    """Text with every decimal number as `#`, and runs of spaces, which align columns, as one space."""
    return re.sub(" +", " ", NUMBER.sub("#", "\n".join(lines))).rstrip()


def assert_alike(lines, printed, tolerance):
    """Compare words and whole numbers exactly, and numbers with a decimal point within a relative tolerance."""
    shown, expected = "\n".join(lines), "\n".join(printed)
    assert without_numbers(lines) == without_numbers(printed)
    numbers = [float(number) for number in NUMBER.findall(shown)]
    assert numbers == pytest.approx([float(number) for number in NUMBER.findall(expected)], rel=tolerance)


class Shell:
    """One shell that runs commands one after the other.

    Args:
        folder: the folder in which it starts.
        temporary: the folder for temporary files.
    """

    def __init__(self, folder, temporary):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LMCTL_"))}
        # The shell finds lmctl only in the folder of the document.
        kept["PATH"] = os.defpath
        kept["TMPDIR"] = str(temporary)
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=kept,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, command):
        """Run a command, which has to succeed; return the lines that it prints."""
        self._shell.stdin.write(f'{command}\necho "--- $?"\n')
        self._shell.stdin.flush()
        lines = []
        while not (line := self._shell.stdout.readline()).startswith("--- "):
            assert line, f"the shell ended: {command}"
            lines.append(line.rstrip("\n"))
        assert line == "--- 0\n", (command, lines)
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._shell.communicate(timeout=LONGEST_SECONDS)
