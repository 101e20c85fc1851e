"""Completion in a shell, set up as in the documents."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmctl.config import all_keys

SHELL_MD = (Path(__file__).parents[2] / "docs/shell.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (bash|zsh|fish)[^|]*\|[^|]*\| `(.*?)` \|$", SHELL_MD, re.MULTILINE))


def completions(lmctl, line, cwd=None, breaks=" @="):
    """The completions that bash gets for a line; `breaks` separate its words."""
    asked = {"_LMCTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_WORDBREAKS": breaks}
    return list(filter(None, lmctl(env=asked, cwd=cwd).lines))


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


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lmctl train x --set training.optimiz", ["part,training.optimizer="]),
        ("lmctl train x --set training.optimizer=ada", ["plain,adam", "plain,adagrad"]),
        ("lmctl train x --set=training.optimizer=adag", ["plain,adagrad"]),
        ("lmctl train x --set training.with_ngram=", ["plain,true", "plain,false"]),
        ("lmctl train x --set text.stop_words=wor", ["file,wor"]),
        ("lmctl train x --set training.epochs=", []),
        ("lmctl train x --set model.family=ngram --set model.sm", ["part,model.smoothing="]),
        ("lmctl train x --set model.family=ngram --set model.emb", []),
        ("lmctl train x --set no_such_key=", []),
    ],
)
def test_configuration_keys_and_their_values_are_completed(lmctl, line, offered):
    assert completions(lmctl, line) == offered


def test_every_configuration_key_is_completed_once(lmctl):
    offered = completions(lmctl, "lmctl train x --set ")

    assert sorted(offered) == sorted({f"part,{key.path}=" for key in all_keys()})


def test_generations_are_completed_with_the_newest_first(lmctl, counted):
    line = f"lmctl info {counted}@"

    # A word of bash begins with its @.
    assert completions(lmctl, line) == ["plain,@2", "plain,@1"]
    assert completions(lmctl, line, breaks=" ") == [f"plain,{counted}@2", f"plain,{counted}@1"]
    assert completions(lmctl, f"{line}1") == ["plain,@1"]
    assert completions(lmctl, "lmctl info no-such-model@", breaks=" ") == ["dir,no-such-model@"]


def test_zsh_and_fish_are_told_which_generation_is_current_and_what_a_key_is(lmctl, counted):
    words = {"COMP_WORDS": f"lmctl info {counted}@", "COMP_CWORD": "2"}
    assert lmctl(env={"_LMCTL_COMPLETE": "zsh_complete", **words}).lines == [
        *("plain", f"{counted}@2", "current"),
        *("plain", f"{counted}@1", "_"),
    ]
    key = {"COMP_WORDS": "lmctl train --set text.lowerc", "COMP_CWORD": "text.lowerc"}
    assert lmctl(env={"_LMCTL_COMPLETE": "fish_complete", **key}).lines == [
        "part,text.lowercase=\tWhether text is lower-cased"
    ]


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
