import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTAINERFILES = sorted(ROOT.glob("Containerfile.*"))


def test_there_is_an_image_for_queries_and_one_for_training():
    assert [path.suffix for path in CONTAINERFILES] == [".query", ".train"]


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_an_image_copies_only_files_that_exist_and_are_in_its_context(path):
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", path.read_text(encoding="utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    context = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()

    assert names == {line.removeprefix("!") for line in context if line.startswith("!")}
    assert [name for name in names if not (ROOT / name).exists()] == []
