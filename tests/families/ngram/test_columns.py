import errno

import numpy as np
import pytest

from lmctl.families.ngram.columns import Column, Pieces, joined, write_pieces


def test_numbers_that_were_appended_are_read_again(tmp_path):
    column = Column(tmp_path / "column", np.uint32)
    for values in ([3, 1], [], [4]):
        column.append(np.array(values, dtype=np.uint32))

    assert column.read(1, 3).tolist() == [1, 4]
    assert len(column) == 3


def test_a_full_disk_names_the_file(tmp_path):
    column = Column(tmp_path / "column", np.uint32)
    (tmp_path / "column").unlink()
    # Every write to /dev/full fails: no space left on device.
    (tmp_path / "column").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device") as caught:
        column.append(np.arange(3))

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "column"))


def test_a_column_in_pieces_is_read_like_one_array(tmp_path):
    values = np.array([2, 3, 5, 5, 8, 13], dtype=np.uint64)
    # One file has two of the pieces.
    parts = [
        *write_pieces(tmp_path, "a", values[:2], values[2:2], values[2:3]),
        *write_pieces(tmp_path, "b", values[3:]),
    ]
    column = Pieces(parts, np.uint64)

    assert len(column) == len(values)
    for start in range(len(values) + 1):
        for stop in range(start, len(values) + 1):
            assert column.between(start, stop).read().tolist() == values[start:stop].tolist()
    assert [column.search(np.uint64(value)) for value in (1, 2, 4, 5, 6, 13, 14)] == [0, 0, 2, 2, 4, 5, 6]
    assert joined(column, tmp_path, "c").read().tolist() == values.tolist()
    assert [path.name[0] for path in tmp_path.iterdir()] == ["c"]


def test_a_piece_that_is_shorter_than_its_description_is_not_read(tmp_path):
    (piece,) = write_pieces(tmp_path, "a", np.arange(3))
    piece.path.write_bytes(piece.path.read_bytes()[:-1])

    with pytest.raises(OSError, match="ends 1 bytes too early"):
        piece.read()
