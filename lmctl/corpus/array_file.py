"""A one-dimensional .npy array, written as it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

# What `ArrayWriter` writes before the values. NumPy's own reader is more lenient, and a damaged header makes it
# raise whatever Python's tokenizer does.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype>[<>|=\w]+)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[\d, ]*)\), \} *\n",
    re.DOTALL,
)
LONGEST_HEADER_BYTES = 256


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What an array's file says of itself.

    Attributes:
        dtype: of its values, as NumPy spells it.
        shape: likewise, without brackets.
        start: where the values begin.
    """

    dtype: str
    shape: str
    start: int

    @classmethod
    def read(cls, file: IO[bytes]) -> ArrayHeader | None:
        """The header of a file at its beginning; None if there is none that `ArrayWriter` would write."""
        found = _HEADER.match(file.read(LONGEST_HEADER_BYTES))
        return found and cls(found["dtype"].decode(), found["shape"].decode(), found.end())

    def is_of(self, dtype: np.dtype[Any], length: int) -> bool:
        """Whether it is that of so many values of a type."""
        return (self.dtype, self.shape) == (dtype.str, f"{length},")

    def __str__(self) -> str:
        return f"{self.dtype} ({self.shape})"


class ArrayWriter:
    """Writes values as they come, without knowing how many there will be.

    The .npy header is written first as a placeholder and again when the length is known. (A memory map of
    the output would be simpler, but its pages count as resident memory until it is as large as the array.)

    Args:
        file: writable and seekable, at its beginning.
        dtype: of the values.
    """

    def __init__(self, file: IO[bytes], dtype: DTypeLike) -> None:
        self.values = 0
        self._file = file
        self._dtype = np.dtype(dtype)
        self._header_bytes = self._write_header()

    def append(self, values: NDArray[Any]) -> None:
        """Add values, (values,), to the end of the array."""
        self.values += len(values)
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)

    def finish(self) -> None:
        """Write the header again, now that the length is known; nothing can be added after it."""
        self._file.seek(0)
        if self._write_header() != self._header_bytes:
            raise AssertionError("NumPy pads a header so that its shape may grow")

    def _write_header(self) -> int:
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.values,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()
