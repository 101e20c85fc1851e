"""Where the parts of a KenLM trie stand in its file: binary format version 5, trie version 1.

All integers are little-endian. V is the number of words, N the order (KenLM's lm/binary_format.cc, lm/vocab.cc,
lm/search_trie.hh, lm/trie.cc):

    header      magic, test values, order, type, whether there are words, numbers of n-grams; padded to 8 bytes
    hashes      the number of words without <unk>, and V hashes of words, of which the last one is unused; uint64
    codebooks   of quantised tries (lm/quantize.cc): version, bits of probabilities, bits of back-offs, padded to 8
                bytes; then float32 values: for each order from 2 to N - 1 those of the probabilities and those of
                the back-offs, for order N those of the probabilities
    unigrams    V + 2 records of 16 bytes: the V words, and one that ends the n-grams of the last word
    n-grams     for each order from 2 on: if pointers are compressed, an array of high bits (lm/bhiksha.cc; not for
                order N); then packed records, one more than n-grams
    words       in the order of their ids, each with a NUL behind it
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError
from lmctl.families.arpa.kenlm.packed import PackedRecords
from lmctl.families.arpa.lines import HIGHEST_ORDER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n"
# The values by which KenLM detects another byte order or other types.
_TEST = struct.Struct("<56s3f3IQ")
_TEST_VALUES = _TEST.pack(_MAGIC, 0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
_COUNT = struct.Struct("<Q")
# Order, multiplier of hash tables, type, whether there are words, version of the trie.
_FIXED = struct.Struct("<B3xfi?3xI")
_TRIE, _QUANTISED, _ARRAYS = 2, 1, 2
_TRIE_VERSION, _CODEBOOK_VERSION, _ARRAY_VERSION = 1, 2, 0
_UNIGRAM_BYTES = 16
# The width of a code at most (lm/quantize.cc).
_WIDEST_CODE_BITS = 25
# A probability has no sign bit, because it is never positive.
PROB_BITS, BACKOFF_BITS = 31, 32


@dataclass(frozen=True, slots=True)
class Level:
    """The n-grams of one order, from order 2.

    Attributes:
        order: number of words of the n-grams.
        count: number of n-grams.
        records: the first word; the probability and, below the highest order, the back-off, or their codes; and,
            below the highest order, the lower bits of the place of the first longer n-gram.
        word_bits: bits of the word.
        value_bits: bits of the probability and the back-off.
        next_bits: lower bits of the place; 0 in the highest order.
        high_start: the byte at which the array of the higher bits starts: at index h, the first n-gram whose place
            has higher bits of h or more; None: all bits are in the records.
        high_count: number of its entries, uint64.
        stop: the byte after this order.
    """

    order: int
    count: int
    records: PackedRecords
    word_bits: int
    value_bits: int
    next_bits: int
    high_start: int | None
    high_count: int
    stop: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a trie.

    Attributes:
        counts: number of n-grams of each order.
        code_bits: bits of a probability's code and of a back-off's code; None: the trie is not quantised.
        codebooks: the byte at which the values of the codes start.
        unigrams: the byte at which the unigrams start.
        levels: the n-grams from order 2.
        words: the byte at which the words start.
    """

    counts: list[int]
    code_bits: tuple[int, int] | None
    codebooks: int
    unigrams: int
    levels: list[Level]
    words: int


@dataclass(frozen=True, slots=True)
class _Bytes:
    """The bytes of a file, and its name for messages."""

    content: NDArray[np.uint8]
    source: str

    def damaged(self, message: str) -> DataError:
        return damaged(self.source, message)

    def unpack(self, parts: struct.Struct, offset: int) -> tuple[Any, ...]:
        if offset + parts.size > len(self.content):
            raise self.damaged(f"cut off after {len(self.content):,} bytes")
        return parts.unpack(self.content[offset : offset + parts.size].tobytes())


def damaged(source: str, message: str) -> DataError:
    """Make the error for a damaged trie, given the name of the file."""
    return DataError(f"{source}: a damaged KenLM trie: {message}")


def read_layout(content: NDArray[np.uint8], source: str) -> Layout:
    """Read the header of a trie, and compute where its parts stand.

    Args:
        content: the bytes of the file.
        source: name of the file for messages.

    Raises:
        DataError: the file has no words, another version, or is damaged or cut off.
    """
    file = _Bytes(content, source)
    kind, counts = _read_header(file)
    order, size = len(counts), counts[0]
    hashes = _to_eights(_TEST.size + _FIXED.size + _COUNT.size * order)
    if file.unpack(_COUNT, hashes) != (size - 1,):
        raise file.damaged(f"the number of hashes is not that of {size:,} words")
    start = hashes + _COUNT.size * (1 + size)
    code_bits, codebooks = None, start + 8
    if (kind - _TRIE) & _QUANTISED:
        version, *bits = file.unpack(struct.Struct("<3B"), start)
        if version != _CODEBOOK_VERSION or not all(1 <= width <= _WIDEST_CODE_BITS for width in bits):
            raise file.damaged(f"codebooks of version {version} with codes of {bits[0]} and {bits[1]} bits")
        code_bits = (bits[0], bits[1])
        start = codebooks + 4 * ((order - 1) * (1 << bits[0]) + (order - 2) * (1 << bits[1]))
    unigrams = start
    start += (size + 2) * _UNIGRAM_BYTES
    most_high_bits = None
    if (kind - _TRIE) & _ARRAYS and order > 2:
        version, most_high_bits = file.unpack(struct.Struct("<2B"), start)
        if version != _ARRAY_VERSION:
            raise file.damaged(f"compressed pointers of version {version}; expected {_ARRAY_VERSION}")
    levels: list[Level] = []
    for of_level in range(2, order + 1):
        levels.append(_level(content, counts, of_level, start, code_bits, most_high_bits))
        start = levels[-1].stop
    if start >= len(content):
        raise file.damaged(f"cut off after {len(content):,} bytes; its words start at byte {start:,}")
    return Layout(counts, code_bits, codebooks, unigrams, levels, start)


def _read_header(file: _Bytes) -> tuple[int, list[int]]:
    """The type of a trie, and its numbers of n-grams."""
    if file.content[: _TEST.size].tobytes() != _TEST_VALUES:
        raise file.damaged("its test values are not those of a 64-bit little-endian machine")
    order, _, kind, has_words, version = file.unpack(_FIXED, _TEST.size)
    if version != _TRIE_VERSION:
        raise DataError(f"{file.source}: a KenLM trie of version {version}; lmctl reads version {_TRIE_VERSION}")
    if not 2 <= order <= HIGHEST_ORDER:
        raise file.damaged(f"order {order}; expected 2 to {HIGHEST_ORDER}")
    if not has_words:
        raise DataError(
            f"{file.source}: a KenLM trie without its words (build_binary -v); import the ARPA file that it was "
            "built from"
        )
    counts = list(file.unpack(struct.Struct(f"<{order}Q"), _TEST.size + _FIXED.size))
    # Larger numbers cannot be true, and are refused before anything is computed with them.
    if counts[0] < 1 or max(counts) > 8 * len(file.content):
        raise file.damaged(f"n-gram counts {counts} in a file of {len(file.content):,} bytes")
    return kind, counts


def _level(
    content: NDArray[np.uint8],
    counts: list[int],
    order: int,
    start: int,
    code_bits: tuple[int, int] | None,
    most_high_bits: int | None,
) -> Level:
    """Compute where the n-grams of an order stand, given the byte at which they start."""
    count = counts[order - 1]
    word_bits = counts[0].bit_length()
    prob_bits, backoff_bits = code_bits or (PROB_BITS, BACKOFF_BITS)
    if order == len(counts):
        records = PackedRecords(content, start, word_bits + prob_bits, count + 1)
        return Level(order, count, records, word_bits, prob_bits, 0, None, 0, start + records.size_bytes)
    value_bits = prob_bits + backoff_bits
    next_bits = counts[order].bit_length()
    high_start, high_count = None, 0
    if most_high_bits is not None:
        high_bits = _high_bits(count + 1, counts[order], most_high_bits)
        next_bits -= high_bits
        high_count = (counts[order] >> next_bits) + 1
        high_start = _to_eights(start) + 8
        start += 8 * (1 + high_count) + 7
    records = PackedRecords(content, start, word_bits + value_bits + next_bits, count + 1)
    stop = start + records.size_bytes
    return Level(order, count, records, word_bits, value_bits, next_bits, high_start, high_count, stop)


def _high_bits(records: int, largest: int, most: int) -> int:
    """How many bits of a place stand in an array: the number with which array and records are the smallest.

    KenLM computes it again when it reads a file (lm/bhiksha.cc, ChopBits).

    Args:
        records: number of records.
        largest: the largest place.
        most: the most bits that may stand in the array.
    """
    bits = largest.bit_length()
    return min(range(min(bits, most) + 1), key=lambda high: (largest >> (bits - high)) * 64 - records * high)


def _to_eights(offset: int) -> int:
    """The next multiple of 8."""
    return -(-offset // 8) * 8
