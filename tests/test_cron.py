"""The script of docs/cron.md, unchanged: every line is answered, also after errors."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys

import pytest
from waiting import LONGEST_SECONDS

from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from tools import generate_docs

BIGRAMS = ("model.family=ngram", "model.order=2", "validation.fraction=0")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cron")
    (folder / "text.txt").write_text("the cat sat .\nthe cat ran .\n")
    train([str(folder / "text.txt")], folder / "m", read_settings([], BIGRAMS))
    return folder / "m"


@pytest.fixture
def serve(model, tmp_path):
    """`serve(content, before="")`: the output of the script for lines; `before` is a shell line before `lmctl`."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    text = (generate_docs.ROOT / "docs/cron.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```bash\n(#!/bin/bash\n.*?)```", text, re.DOTALL)
    assert script.count("model=/srv/lmctl/models/news\n") == 1
    (tmp_path / "serve").write_text(script.replace("/srv/lmctl/models/news", str(model)))

    def run(content, before=":"):
        command = tmp_path / "bin/lmctl"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f'#!/bin/bash\n{before}\nexec {sys.executable} -m lmctl "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
        return subprocess.run(
            ["bash", str(tmp_path / "serve")],
            input=content,
            capture_output=True,
            env=os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}"},
            timeout=LONGEST_SECONDS,
            check=False,
        )

    return run


def test_every_line_is_answered_one_of_bad_bytes_and_a_blank_one_too(serve):
    done = serve(b"the cat\nth\xe9 dog\n\n\xff\xfe\na\0b\nthe\tcat\r\nthe")

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 7
    assert lines[0] == b"the cat\tran sat . cat the"
    assert lines[1].startswith(b"th\xe9 dog\t")
    assert lines[2].startswith(b"\tthe ")
    assert lines[6].startswith(b"the\tcat ")
    assert all(len(line.split(b"\t")[-1].split()) == 5 for line in lines)


def test_a_long_line_gets_one_answer(serve):
    done = serve(b"the cat " * 200_000 + b"\nthe cat\n")

    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert done.stdout.endswith(b"\nthe cat\tran sat . cat the\n")


def test_a_predict_that_dies_is_started_again(serve, tmp_path):
    # The first process takes a line and dies; the second one answers.
    died = tmp_path / "died"
    done = serve(b"the cat\nthe\n", f"[ -e {died} ] || {{ touch {died}; read -r line; exit 70; }}")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"the cat\tran sat . cat the\nthe\tcat ")


def test_a_predict_that_always_dies_leaves_lines_unanswered_and_says_why(serve):
    done = serve(b"the cat\nthe\n", "echo 'no such model' >&2; exit 66")

    assert done.stdout == b"the cat\t\nthe\t\n"
    assert done.stderr.count(b"no such model\n") == 4


def test_a_new_generation_answers_the_next_line(model, serve, tmp_path):
    newer = shutil.copytree(model, tmp_path / "newer", symlinks=True)
    (tmp_path / "other.txt").write_text("the dog sat .\nthe dog ran .\n")
    train([str(tmp_path / "other.txt")], newer, read_settings([], (*BIGRAMS, "publishing.gate=false")))
    script = tmp_path / "serve"
    script.write_text(script.read_text().replace(str(model), str(newer)))
    service = subprocess.Popen(
        ["bash", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PATH": f"{_command(tmp_path)}:{os.environ['PATH']}"},
    )
    answers = []
    for target in ("000001", "000002"):
        (newer / "next").symlink_to(f"generations/{target}")
        (newer / "next").rename(newer / "current")
        service.stdin.write(b"the\n")
        service.stdin.flush()
        answers.append(service.stdout.readline().split()[1])
    service.stdin.close()

    assert service.wait(LONGEST_SECONDS) == 0
    service.stdout.close()
    assert answers == [b"cat", b"dog"]


def _command(folder):
    command = folder / "bin/lmctl"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/bash\nexec {sys.executable} -m lmctl "$@"\n')
    command.chmod(0o755)
    return command.parent
