"""A one-dimensional .npy array, written as it comes."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


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
