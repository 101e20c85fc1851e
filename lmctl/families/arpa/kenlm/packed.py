"""Records of a fixed number of bits, one after the other, without gaps (KenLM's util/bit_packing.hh)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import UInt64Array

# The widest field: a read of 8 bytes has it whole, at any bit of the first byte.
WIDEST_FIELD_BITS = 57
# Bytes behind the last record, so that a read of 8 bytes ends within the file.
PADDING_BYTES = 8
_RECORDS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class PackedRecords:
    """Records in the bytes of a file.

    Attributes:
        content: the bytes of the file.
        start: the byte at which the first record starts.
        bits: number of bits of a record.
        count: number of records.
    """

    content: NDArray[np.uint8]
    start: int
    bits: int
    count: int

    @property
    def size_bytes(self) -> int:
        """Number of bytes of the records, with the padding."""
        return (self.count * self.bits + 7) // 8 + PADDING_BYTES

    def field(self, first_bit: int, bits: int) -> UInt64Array:
        """The values of a field of all records, (count,).

        Args:
            first_bit: the bit of a record at which the field starts, from the lowest.
            bits: its width, `WIDEST_FIELD_BITS` at most.
        """
        # An overlapping view: the integer at i has the eight bytes from i on.
        eights = np.ndarray(
            (self.size_bytes - 7,), dtype="<u8", buffer=self.content, offset=self.start, strides=(1,)
        )
        values = np.empty(self.count, dtype=np.uint64)
        mask = np.uint64((1 << bits) - 1)
        for first in range(0, self.count, _RECORDS_AT_ONCE):
            stop = min(first + _RECORDS_AT_ONCE, self.count)
            at = np.arange(first, stop, dtype=np.uint64) * np.uint64(self.bits) + np.uint64(first_bit)
            values[first:stop] = eights[at >> np.uint64(3)] >> (at & np.uint64(7)) & mask
        return values
