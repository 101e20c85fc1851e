"""The journal of scratch folders, which another program may have written."""

import os

import msgspec
import pytest

from lmctl.errors import UsageError
from lmctl.scratch import JOURNAL, JOURNAL_START, scratch_folder, sweep


def as_pipe(path):
    os.mkfifo(path)


def as_hole(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def as_link(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [as_pipe, as_hole, as_link, os.mkdir])
def test_a_file_that_is_no_journal_is_neither_read_nor_removed(tmp_path, make):
    make(tmp_path / JOURNAL)

    with pytest.raises(UsageError, match="expected a journal of lmctl"):
        sweep(tmp_path)
    assert os.path.lexists(tmp_path / JOURNAL)


def test_a_journal_that_is_nested_without_end_is_one_that_was_cut_off(tmp_path):
    (tmp_path / JOURNAL).write_bytes(JOURNAL_START + b'"scratch":' + b"[" * 100_000)

    sweep(tmp_path)
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("name", ["", "..", "../theirs", "a\0b", "x" * 5000, "\ud800"])
def test_a_journal_names_only_files_in_its_folder(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "theirs").write_text("theirs")
    journal = {"lmctl": "unfinished", "scratch": f".unfinished-/{name}", "files": [name, f".unfinished-{name}"]}
    content = (
        msgspec.json.encode(journal)
        if name != "\ud800"
        else (b'{"lmctl":"unfinished","scratch":"\\ud800","files":["\\ud800"]}')
    )
    (folder / JOURNAL).write_bytes(content)

    sweep(folder)
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert not (folder / JOURNAL).exists()


def fail_after_announcing(folder, names):
    with scratch_folder(folder) as scratch:
        (scratch.path / "unfinished").write_text("unfinished")
        if names:
            scratch.announce(names)
        raise OSError("the disk failed")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_after_an_error_the_next_sweep_removes_announced_files_that_are_not_in_use(tmp_path):
    for name in ("used", "stale", "theirs"):
        (tmp_path / name).write_text(name)

    with pytest.raises(OSError, match="the disk failed"):
        fail_after_announcing(tmp_path, ["used", "stale"])
    assert names_in(tmp_path) == ["stale", "theirs", JOURNAL, "used"]

    sweep(tmp_path, kept={"used"})
    assert names_in(tmp_path) == ["theirs", "used"]


def test_an_error_before_any_file_is_announced_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="the disk failed"):
        fail_after_announcing(tmp_path, [])

    assert names_in(tmp_path) == []
