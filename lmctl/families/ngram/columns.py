"""One-dimensional arrays on disk, for counting a corpus that is larger than the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

# Values of an array in memory at once. Some ten arrays are in use at a time.
VALUES_AT_ONCE = 1 << 22


class Column:
    """An array in a file. Values are appended to its end, and read in stretches or by a memory map.

    Stretches are read and not mapped, because the pages of a map count as memory of this process.

    Args:
        path: the file, which must not exist.
        dtype: the type of the values.
    """

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self._path = path
        self._length = 0
        path.touch(exist_ok=False)

    def __len__(self) -> int:
        return self._length

    def append(self, values: NDArray[Any]) -> None:
        """Add values to the end."""
        with files.named_in_errors(self._path), self._path.open("ab") as file:
            file.write(np.ascontiguousarray(values, dtype=self.dtype).data)
        self._length += len(values)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read the values from place `start` up to `stop`, without `stop`."""
        return np.fromfile(self._path, self.dtype, stop - start, offset=start * self.dtype.itemsize)

    def stretches(self) -> Iterator[NDArray[Any]]:
        """All values, in stretches that fit in memory."""
        for start in range(0, self._length, VALUES_AT_ONCE):
            yield self.read(start, min(start + VALUES_AT_ONCE, self._length))

    def map(self) -> NDArray[Any]:
        """Memory-map all values, for reading and writing at random places."""
        if not self._length:  # an empty file cannot be mapped
            return np.empty(0, self.dtype)
        return np.asarray(np.memmap(self._path, self.dtype, "r+"))

    def grow_to(self, length: int) -> None:
        """Add zeros to the end."""
        with files.named_in_errors(self._path), self._path.open("ab") as file:
            file.truncate(length * self.dtype.itemsize)
        self._length = length

    def delete(self) -> None:
        """Remove the file."""
        self._path.unlink()


def is_first(rising: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each of some sorted values differs from the one before it, (values,) bool."""
    first = np.ones(len(rising), dtype=bool)
    np.not_equal(rising[1:], rising[:-1], out=first[1:])
    return first
