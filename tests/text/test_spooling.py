from pathlib import Path

import pytest

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
