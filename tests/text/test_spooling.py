import functools
import tempfile
from pathlib import Path

import pytest

from lmctl.errors import StorageError
from lmctl.text.spooling import Spool


@pytest.fixture
def read():
    """Reads a pipe once; a second reading has nothing."""
    pieces = [b"one\n", b"two\n"]

    def read(_path, _source):
        while pieces:
            yield pieces.pop(0)

    return read


def test_a_pipe_is_read_twice(read):
    with Spool(read) as spool:
        assert b"".join(spool.read("-", "standard input")) == b"one\ntwo\n"
        assert b"".join(spool.read("-", "standard input")) == b"one\ntwo\n"


def test_a_file_is_read_from_its_place(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"other")
    with Spool(lambda path, _: iter([Path(path).read_bytes()])) as spool:
        assert [*spool.read(str(path), "text"), *spool.read(str(path), "text")] == [b"other", b"other"]


@pytest.mark.parametrize("written", [b"x", b"x" * (1 << 20)])
def test_a_folder_without_room_is_named(monkeypatch, tmp_path, written):
    """/dev/full has no room for any byte."""
    monkeypatch.setattr(tempfile, "TemporaryFile", functools.partial(Path("/dev/full").open, "wb"))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    with (
        Spool(lambda _path, _source: iter([written])) as spool,
        pytest.raises(StorageError, match=r"kept in a temporary file: No space left .*; set TMPDIR") as found,
    ):
        list(spool.read("-", "standard input"))
    assert str(found.value).startswith(f"{tmp_path}: standard input is read twice")


def test_a_machine_without_a_folder_for_temporary_files_is_told(monkeypatch):
    def fails():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", fails)
    monkeypatch.setattr(tempfile, "gettempdir", fails)
    with (
        Spool(lambda _path, _source: iter([b"x"])) as spool,
        pytest.raises(StorageError, match=r"^no folder for temporary files: standard input is read twice"),
    ):
        list(spool.read("-", "standard input"))
