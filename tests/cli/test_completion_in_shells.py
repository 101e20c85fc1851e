"""Completion in real shells on a terminal: what a line has become after the tabulator key.

After completion, `printf '%s|'` is typed before the line (Ctrl-A), so that the shell prints the words of the line.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHELL_MD = (Path(__file__).parents[2] / "docs/shell.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (bash|zsh|fish)[^|]*\|[^|]*\| `(.*?)` \|$", SHELL_MD, re.MULTILINE))
# The command, and lines that stand before the documented one in a start-up file.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "bind 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; unsetopt beep zle_bracketed_paste"),
    "fish": (["fish", "--no-config", "-i"], ""),
}

# Runs a program with standard input as the terminal that controls its session; fish needs one.
WITH_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, counted):
    """A folder with the program lmctl in bin/, two models, one of them with one generation, and a file."""
    program = tmp_path / "bin/lmctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lmctl "$@"\n')
    program.chmod(0o755)
    for name in ("news", "books"):
        shutil.copytree(counted, tmp_path / "models" / name, symlinks=True)
    shutil.rmtree(tmp_path / "models/books/generations/000001")
    (tmp_path / "stop-words.txt").write_text("the\n")
    return tmp_path


def completed(shell, line, folder, environment):
    """The words of a line after the tabulator key, as the shell prints them."""
    command, before = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {shell}")
    keys = [before, ROWS[shell].replace("\\|", "|"), f"{line}\t\x01printf '%s|' ", "exit"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WITH_TERMINAL, *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment(
            HOME=str(folder), PATH=f"{folder}/bin:{os.environ['PATH']}", TERM="vt100", PS1="> ", COLUMNS="200"
        ),
        start_new_session=True,
    ) as process:
        os.close(theirs)
        os.write(ours, "".join(f"{key}\r" for key in keys).encode())
        shown = b""
        # Linux reports the end of a terminal as an error.
        with contextlib.suppress(OSError):
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
        process.wait()
    found = re.findall(r"lmctl\|[^\r\n]*\|", shown.decode("utf-8", "replace"))
    assert len(found) == 1, shown
    return found[0].split("|")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("lmctl surp", "surprisal"),
        ("lmctl predict -m models/n", "models/news"),
        ("lmctl predict -m models/books@", "models/books@2"),
        ("lmctl train x --set training.optimizer=ada", "training.optimizer=ada"),
        ("lmctl train x --set training.optimizer=adag", "training.optimizer=adagrad"),
        ("lmctl train x --set training.optimiz", "training.optimizer="),
        ("lmctl train x --set training.with_ngram=f", "training.with_ngram=false"),
        ("lmctl train x --set text.stop_words=stop", "text.stop_words=stop-words.txt"),
        ("lmctl train x --set=text.stop_words=stop", "--set=text.stop_words=stop-words.txt"),
        ("lmctl train x --preset=ti", "--preset=tiny"),
        ("lmctl train sto", "stop-words.txt"),
    ],
    ids=lambda value: value.rpartition(" ")[2] if " " in value else "",
)
def test_a_word_is_completed_in_the_shell(shell, line, word, folder, clean_environment):
    assert completed(shell, line, folder, clean_environment) == [*line.split()[:-1], word]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_space_follows_the_equals_sign_of_a_key(shell, folder, clean_environment):
    line = "lmctl train x --set training.optimiz\tadagr"

    assert completed(shell, line, folder, clean_environment)[-1] == "training.optimizer=adagrad"
