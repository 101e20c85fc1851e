"""A one-dimensional .npy array of a length that is known only when it is complete."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

# The header that `ArrayWriter` writes. NumPy's own reader accepts more, and raises many kinds of exceptions for a
# damaged header, because it uses Python's tokenizer.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype>[<>|=\w]+)', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[\d, ]*)\), \} *\n",
    re.DOTALL,
)
LONGEST_HEADER_BYTES = 256


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """The header of an array file.

    Attributes:
        dtype: the type of the values in NumPy's spelling, such as "<u2".
        shape: the shape in NumPy's spelling without brackets, such as "10,".
        start: offset of the first value in the file, in bytes.
    """

    dtype: str
    shape: str
    start: int

    @classmethod
    def read(cls, file: IO[bytes]) -> ArrayHeader | None:
        """Read the header of a file that is at its beginning; None: `ArrayWriter` does not write such a header."""
        found = _HEADER.match(file.read(LONGEST_HEADER_BYTES))
        return found and cls(found["dtype"].decode(), found["shape"].decode(), found.end())

    def is_of(self, dtype: np.dtype[Any], length: int) -> bool:
        """Whether the array has this type and this number of values."""
        return (self.dtype, self.shape) == (dtype.str, f"{length},")

    def __str__(self) -> str:
        return f"{self.dtype} ({self.shape})"


class ArrayWriter:
    """Writes an array piece by piece, without knowing its length in advance.

    The .npy header is written first as a placeholder, and again when the length is known. A memory map of the
    output would be simpler, but its pages count as resident memory, up to the size of the array.

    Args:
        file: writable and seekable, at its beginning.
        dtype: the type of the values.

    Attributes:
        values: the number of values written so far.
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
        """Write the final header. No values can be added afterwards."""
        self._file.seek(0)
        if self._write_header() != self._header_bytes:
            raise AssertionError("NumPy pads a header so that its shape may grow")

    def _write_header(self) -> int:
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.values,)}
        np.lib.format.write_array_header_1_0(self._file, header)
        return self._file.tell()
