"""The README's session, run as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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


def first_words(lines):
    """What does not depend on the last digits of a probability, which another processor may round otherwise."""
    return [line.split()[0] for line in lines]


@pytest.mark.slow
def test_the_session_prints_what_the_readme_shows(tmp_path):
    shutil.copytree(ROOT / "corpora", tmp_path / "corpora")
    environment = {name: value for name, value in os.environ.items() if name != "LMCTL_MODEL"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"

    for command, printed in sessions():
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        assert first_words(done.stdout.splitlines()) == first_words(printed), command

    script = f"{python_block()}\nprint(model.predict('she opened the', k=1)[0].word)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == [first_words(printed_for("she opened the"))[0]]


def printed_for(context):
    """The README's answer to a context."""
    for command, printed in sessions():
        if f'"{context}"' in command:
            return printed[-1:]
    raise AssertionError(f"the README asks nothing about {context!r}")


def test_the_readme_shows_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
