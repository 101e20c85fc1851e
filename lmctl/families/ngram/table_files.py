"""The files of n-gram tables: .npy arrays, of which some hold several arrays one after the other."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import files
from lmctl.corpus.array_file import ArrayHeader, ArrayWriter
from lmctl.errors import DataError
from lmctl.families.ngram.sizes import table_name
from lmctl.records import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

# Arrays in one file start at multiples of this.
ALIGNMENT_BYTES = 8

BYTES = np.dtype(np.uint8)


def index_dtype(most: int) -> np.dtype[Any]:
    """The narrowest type, of 32 or 64 bits, for whole numbers up to `most`."""
    return np.dtype(np.uint32 if most <= np.iinfo(np.uint32).max else np.uint64)


@contextlib.contextmanager
def written_table(folder: Path, order: int, kind: str, dtype: DTypeLike = np.float32) -> Iterator[ArrayWriter]:
    """Write a table. The file appears in `folder` when the block ends without an error."""
    with files.written_whole(folder / table_name(order, kind)) as file:
        writer = ArrayWriter(file, dtype)
        yield writer
        writer.finish()


class PartsWriter:
    """Writes several arrays into a table of bytes. Each starts at a multiple of `ALIGNMENT_BYTES`.

    Args:
        table: a table of uint8.
    """

    def __init__(self, table: ArrayWriter) -> None:
        self._table = table

    def append(self, values: NDArray[Any]) -> None:
        """Add values to the part that is being written."""
        self._table.append(np.ascontiguousarray(values).view(BYTES))

    def end(self) -> None:
        """End a part."""
        self._table.append(np.zeros(-self._table.values % ALIGNMENT_BYTES, dtype=BYTES))

    def part(self, values: NDArray[Any]) -> None:
        """Write a whole part."""
        self.append(values)
        self.end()


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table on disk whose header and length were checked.

    Attributes:
        path: the file.
        dtype: the type of its values.
        start: offset of the first value, in bytes.
        length: the number of values.
    """

    path: Path
    dtype: np.dtype[Any]
    start: int
    length: int

    @classmethod
    def opened(cls, path: Path, dtype: np.dtype[Any], length: int | None) -> TableFile:
        """Check the header of a table, and that the file has the length it states.

        Args:
            path: the file.
            dtype: the type that the values must have.
            length: the number of values that model.json states; None: any number.

        Raises:
            DataError: the file is missing, a link, or another one than expected.
        """
        if path.is_symlink() or not path.is_file():
            raise DataError(f"{path}: expected a table of this model; it is missing or a link")
        with open_regular(path) as file:
            header, size = ArrayHeader.read(file), os.fstat(file.fileno()).st_size
        if header is None:
            raise DataError(f"{path}: damaged; it does not start as a table does")
        if length is None:
            length = max(0, size - header.start) // dtype.itemsize
        expected_bytes = header.start + length * dtype.itemsize
        if not header.is_of(dtype, length) or size != expected_bytes:
            raise DataError(
                f"{path}: {header} in {size} bytes, but the sizes in model.json "
                f"want {dtype.str} ({length},) in {expected_bytes}"
            )
        return cls(path, dtype, header.start, length)

    def stretches(self, at_once: int) -> Iterator[NDArray[Any]]:
        """Read all values, `at_once` at a time. They are not mapped, since the pages of a map stay in memory."""
        with open_regular(self.path) as file:
            file.seek(self.start)
            while (values := np.fromfile(file, self.dtype, at_once)).size:
                yield values

    def map(self) -> NDArray[Any]:
        """Memory-map all values."""
        if not self.length:  # an empty array cannot be mapped
            return np.empty(0, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, "r", self.start, (self.length,)))

    def damaged(self, fault: str) -> DataError:
        """The error to raise if the values have a fault."""
        return DataError(f"{self.path}: damaged; {fault}")


class PartsReader:
    """Takes the arrays of a table of bytes (`PartsWriter`), one after the other, without copying.

    Args:
        file: the table.
    """

    def __init__(self, file: TableFile) -> None:
        self._file = file
        self._bytes = file.map()
        self._at = 0

    def take(self, dtype: DTypeLike, length: int) -> NDArray[Any]:
        """The next array, (length,).

        Raises:
            DataError: the table is too short.
        """
        kind = np.dtype(dtype)
        stop = self._at + length * kind.itemsize
        if stop > len(self._bytes):
            raise self._file.damaged(f"it ends in an array of {length} values")
        values = self._bytes[self._at : stop].view(kind)
        self._at = stop + -stop % ALIGNMENT_BYTES
        return values

    def finish(self) -> None:
        """Check that all bytes were taken.

        Raises:
            DataError: the table is too long.
        """
        if self._at != len(self._bytes):
            raise self._file.damaged(f"{len(self._bytes)} bytes, expected {self._at}")
