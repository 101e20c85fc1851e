import errno

import numpy as np
import pytest

from lmctl.families.ngram.columns import Column


def test_numbers_that_were_appended_are_read_again(tmp_path):
    column = Column(tmp_path / "column", np.uint32)
    for values in ([3, 1], [], [4]):
        column.append(np.array(values, dtype=np.uint32))
    column.grow_to(5)

    assert column.read(1, 3).tolist() == [1, 4]
    assert column.map().tolist() == [3, 1, 4, 0, 0]
    assert len(column) == 5


def test_a_full_disk_names_the_file(tmp_path):
    column = Column(tmp_path / "column", np.uint32)
    (tmp_path / "column").unlink()
    # Every write to /dev/full fails: no space left on device.
    (tmp_path / "column").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device") as caught:
        column.append(np.arange(3))

    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "column"))
