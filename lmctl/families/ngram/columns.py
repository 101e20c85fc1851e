"""One-dimensional arrays on disk, for counting a corpus that is larger than the memory.

Steps of the work may run in other processes, also on other machines that share a folder. They exchange arrays by
files, and send each other only descriptions of a few bytes (`Piece`, `Pieces`). Three rules hold:

- A file has one writer, which writes it once. Two machines that write parts of one page of a file in a shared
  folder may undo each other's writes.
- The name of a file has a random part, and its description is made when it is complete. So a step that is done
  again, because its machine seemed dead, writes other files. Nothing reads a file of a step that was killed.
- Files are read in stretches and mapped only for random access, because the pages of a map count as memory of the
  process.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

# Values of an array in memory at once. Some ten arrays are in use at a time, together up to 300 MB. The C library
# uses memory again for arrays of up to 32 MB. Twice as many values take a quarter more processor time, which the
# kernel spends on new pages.
VALUES_AT_ONCE = 1 << 21


@dataclass(frozen=True, slots=True)
class Piece:
    """An array in a file that is complete.

    Attributes:
        path: the file.
        dtype: the type of the values.
        offset: place of the first value in the file, in bytes.
        length: the number of values.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def between(self, start: int, stop: int) -> Piece:
        """The piece of the values from place `start` up to `stop`, without `stop`."""
        return Piece(self.path, self.dtype, self.offset + start * self.dtype.itemsize, stop - start)

    def read(self) -> NDArray[Any]:
        """Read all values.

        Raises:
            OSError: the file is missing, or shorter than it was.
        """
        values = np.empty(self.length, self.dtype)
        self.read_into(values)
        return values

    def read_into(self, values: NDArray[Any]) -> None:
        """Read all values into an array, (length,); see `read`."""
        with files.named_in_errors(self.path), self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            there = values.data.cast("B")
            while there and (read := file.readinto(there)):
                there = there[read:]
        if there:
            raise OSError(f"{self.path}: ends {len(there)} bytes too early")

    def map(self) -> NDArray[Any]:
        """Memory-map all values, for reading at random places."""
        if not self.length:  # an empty file cannot be mapped
            return np.empty(0, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, "r", self.offset, (self.length,)))


class Pieces:
    """A column in several pieces, one after the other.

    Args:
        parts: the pieces, all of one type.
        dtype: this type.

    Attributes:
        parts: the pieces that are not empty.
        dtype: as given.
        starts: the place of the first value of each piece, and the length of the column.
    """

    def __init__(self, parts: Iterable[Piece], dtype: DTypeLike) -> None:
        self.parts = [part for part in parts if part.length]
        self.dtype = np.dtype(dtype)
        if any(part.dtype != self.dtype for part in self.parts):
            raise TypeError(f"expected pieces of {self.dtype}, got {[part.dtype for part in self.parts]}")
        self.starts = list(accumulate(map(len, self.parts), initial=0))

    def __len__(self) -> int:
        return self.starts[-1]

    def piece_at(self, place: int) -> int:
        """The number of the piece that has the value at a place."""
        return bisect_right(self.starts, place) - 1

    def between(self, start: int, stop: int) -> Pieces:
        """The column of the values from place `start` up to `stop`, without `stop`."""
        first = self.piece_at(start)
        cut = []
        for part, begin in zip(self.parts[first:], self.starts[first:], strict=False):
            if begin >= stop:
                break
            cut.append(part.between(max(start - begin, 0), min(stop - begin, part.length)))
        return Pieces(cut, self.dtype)

    def read(self) -> NDArray[Any]:
        """Read all values."""
        values = np.empty(len(self), self.dtype)
        for part, (start, stop) in zip(self.parts, pairwise(self.starts), strict=True):
            part.read_into(values[start:stop])
        return values

    def stretches(self) -> Iterator[NDArray[Any]]:
        """All values, in stretches that fit in memory."""
        for start, stop in stretches_of(len(self)):
            yield self.between(start, stop).read()

    def search(self, value: np.uint64) -> int:
        """The place of the first value that is not less than `value`, if the values rise; few pages are read."""
        for part, start in zip(reversed(self.parts), reversed(self.starts[:-1]), strict=True):
            values = part.map()
            if values[0] < value:
                return start + int(np.searchsorted(values, value))
        return 0

    def delete(self) -> None:
        """Remove the files of all pieces."""
        for path in {part.path for part in self.parts}:
            path.unlink()


def write_pieces(folder: Path, name: str, *arrays: NDArray[Any]) -> list[Piece]:
    """Write arrays into one new file, and describe them.

    Args:
        folder: the folder of the file.
        name: the start of its name. The rest is random.
        arrays: the arrays, of any types.
    """
    path = folder / f"{name}.{os.urandom(8).hex()}"
    pieces = []
    with files.named_in_errors(path), path.open("xb") as file:
        for values in arrays:
            pieces.append(Piece(path, values.dtype, file.tell(), len(values)))
            file.write(np.ascontiguousarray(values).data)
    return pieces


def joined(column: Pieces, folder: Path, name: str) -> Piece:
    """Copy the pieces of a column into one file, which can be mapped, and remove the pieces."""
    path = folder / f"{name}.{os.urandom(8).hex()}"
    with files.named_in_errors(path), path.open("xb") as file:
        for part in column.parts:
            file.write(part.read().data)
    column.delete()
    return Piece(path, column.dtype, 0, len(column))


class Column:
    """An array in a file of this process. Values are appended to its end, and read in stretches.

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

    def delete(self) -> None:
        """Remove the file."""
        self._path.unlink()


def stretches_of(length: int) -> list[tuple[int, int]]:
    """Start and stop of stretches that fit in memory, of about equal size, of a column of this length."""
    number = -(-length // VALUES_AT_ONCE)
    return list(pairwise(length * stop // number for stop in range(number + 1))) if number else []


def is_first(rising: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each of some sorted values differs from the one before it, (values,) bool."""
    first = np.ones(len(rising), dtype=bool)
    np.not_equal(rising[1:], rising[:-1], out=first[1:])
    return first
