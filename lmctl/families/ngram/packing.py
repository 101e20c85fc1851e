"""Writes the tables that `continuations` reads: the last words and the contexts of the n-grams of one order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.ngram.columns import Column
from lmctl.families.ngram.continuations import BLOCK, CONTEXTS_AT_ONCE, word_dtype
from lmctl.families.ngram.keys import split_keys
from lmctl.families.ngram.sizes import word_bits
from lmctl.families.ngram.table_files import BYTES, PartsWriter, index_dtype, written_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Int64Array, UInt64Array


def write_continuations(
    folder: Path,
    order: int,
    keys: Iterable[UInt64Array],
    contexts: int,
    vocabulary_size: int,
    scratch: Path,
) -> None:
    """Write the words and contexts of an order.

    The parts of `contexts` are the number of irregular contexts and the bytes of an offset, then the arrays of
    `Continuations`: irregular, ranks, bases, offsets.

    Args:
        folder: the folder for the tables.
        order: number of words of the n-grams.
        keys: the keys of the n-grams, rising, in stretches.
        contexts: the number of n-grams of the lower order.
        vocabulary_size: V.
        scratch: a folder for temporary files, about 10 bytes a context.
    """
    flags = Column(scratch / f"irregular.{order}", np.bool_)
    sums = Column(scratch / f"sums.{order}", np.uint64)
    with written_table(folder, order, "words", word_dtype(vocabulary_size)) as table:
        total = 0
        for lengths in _lengths(keys, contexts, word_bits(vocabulary_size), table.append):
            several = lengths != 1
            flags.append(several)
            of_irregular = np.cumsum(lengths[several])
            sums.append(total + of_irregular - lengths[several])
            total += int(of_irregular[-1]) if len(of_irregular) else 0
        sums.append(np.array([total], dtype=np.uint64))
        ngrams = table.values
    irregular = len(sums) - 1
    bases = [sums.read(start, start + 1) for start in range(0, len(sums), BLOCK)]
    widest = max(int(part[-1] - part[0]) for part in _blocks(sums, BLOCK))
    dtype = np.dtype(np.uint16) if widest <= np.iinfo(np.uint16).max else index_dtype(widest)
    with written_table(folder, order, "contexts", BYTES) as table:
        parts = PartsWriter(table)
        parts.part(np.array([irregular, dtype.itemsize], dtype=np.uint64))
        ranks = [np.zeros(1, dtype=np.int64)]
        for part in _blocks(flags, CONTEXTS_AT_ONCE):
            packed = _packed(part)
            parts.append(packed)
            ranks.append(ranks[-1][-1:] + np.cumsum(np.bitwise_count(packed), dtype=np.int64))
        parts.end()
        parts.part(np.concatenate(ranks).astype(index_dtype(contexts)))
        parts.part(np.concatenate(bases).astype(index_dtype(ngrams)))
        for part in _blocks(sums, CONTEXTS_AT_ONCE):
            starts = np.repeat(part[::BLOCK], BLOCK)[: len(part)]
            parts.append((part - starts).astype(dtype))
        parts.end()
    flags.delete()
    sums.delete()


def _lengths(keys: Iterable[UInt64Array], contexts: int, bits: int, on_words: Any) -> Iterator[Int64Array]:
    """The number of n-grams of each context, from the first to the last, in stretches."""
    following = 0
    pending = np.empty(0, dtype=np.int64)
    for stretch in keys:
        of_stretch, words = split_keys(stretch, bits)
        on_words(words)
        every = np.concatenate([pending, of_stretch])
        # The last context may go on in the next stretch.
        whole = int(np.searchsorted(every, every[-1])) if len(every) else 0
        pending = every[whole:]
        for start in range(following, int(every[-1]) if len(every) else 0, CONTEXTS_AT_ONCE):
            stop = min(start + CONTEXTS_AT_ONCE, int(every[-1]))
            here = every[np.searchsorted(every, start) : np.searchsorted(every, stop)]
            yield np.bincount(here - start, minlength=stop - start)
            following = stop
    for start in range(following, contexts, CONTEXTS_AT_ONCE):
        stop = min(start + CONTEXTS_AT_ONCE, contexts)
        here = pending[(pending >= start) & (pending < stop)]
        yield np.bincount(here - start, minlength=stop - start)


def _blocks(column: Column, size: int) -> Iterator[NDArray[Any]]:
    for start in range(0, len(column), size):
        yield column.read(start, min(start + size, len(column)))


def _packed(flags: NDArray[np.bool_]) -> UInt64Array:
    """Pack flags into words of 64 bits, the first flag into the lowest bit."""
    padded = np.zeros(-(-len(flags) // BLOCK) * BLOCK, dtype=bool)
    padded[: len(flags)] = flags
    return np.packbits(padded, bitorder="little").view("<u8")
