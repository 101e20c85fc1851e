"""Completion in a shell, set up as in the documents."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHELL_MD = (Path(__file__).parents[2] / "docs/shell.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (bash|zsh|fish)[^|]*\|[^|]*\| `(.*?)` \|$", SHELL_MD, re.MULTILINE))


def completions(lmctl, line, cwd=None):
    """The completions that bash gets for a line."""
    words = line.split(" ")
    asked = {"_LMCTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return lmctl(env=asked, cwd=cwd).lines


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lmctl pre", ["plain,prepare", "plain,predict"]),
        ("lmctl train --learn", ["plain,--learning-rate"]),
        ("lmctl train --preset ti", ["plain,tiny"]),
        ("lmctl eval --level w", ["plain,word"]),
        ("lmctl train cor", ["file,cor"]),
        ("lmctl train x --valid cor", ["file,cor"]),
        ("lmctl predict -m models/n", ["plain,models/news"]),
        ("lmctl info models/", ["plain,models/books", "plain,models/news"]),
        ("lmctl verify oth", ["dir,oth"]),
    ],
)
def test_commands_options_choices_files_and_models_are_completed(lmctl, bundle, tmp_path, line, offered):
    for name in ("news", "books"):
        shutil.copytree(bundle, tmp_path / "models" / name)

    assert completions(lmctl, line, cwd=tmp_path) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_line_prints_a_function_for_the_shell(lmctl, shell):
    (variable,) = re.findall(r"_LMCTL_COMPLETE=\w+", ROWS[shell])
    name, value = variable.split("=")

    printed = lmctl(env={name: value})

    assert (printed.code, printed.err) == (0, "")
    assert "lmctl" in printed.out
    assert value == f"{shell}_source"


def test_bash_completes_by_the_documented_line(clean_environment):
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    script = f"""
        lmctl() {{ {sys.executable} -m lmctl "$@"; }}
        export -f lmctl
        {ROWS["bash"]}
        complete -p lmctl
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert done.stdout.startswith("complete "), done.stderr
    assert done.stdout.rstrip().endswith(" lmctl")
