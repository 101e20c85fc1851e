"""Counting the n-grams of an id stream, order by order, in bounded memory.

The number of an n-gram is its place in the sorted table of its order (see tables.py). An n-gram that ends at a
position consists of its context, which ends one position before, and the word at the position. So the keys of
order n follow from the numbers of order n - 1 at each position. Each order takes three steps (counting_steps.py):

1. The keys of each stretch of the corpus are sorted into a run.
2. The runs are cut at the same keys, and the n-grams of each range of keys are merged into a part.
3. The positions of each stretch are numbered. The number of an n-gram is its place in its part, and the number of
   n-grams of all parts before it.

The suffix of an n-gram (the n-gram without its first word) ends at the same position. So the place of the suffix
is known from any occurrence of the n-gram, without a search.

The word before the first word of a sentence is `</s>`, in place of the `<s>` of other programs. Every order has it
once.

The items of a step do not depend on each other, so an `OrderedMap` may spread them over processes and machines.
They exchange all data by files in the scratch folder. A shuffle over the network would send each n-gram of a run
to the one process that merges its range, which is about half of the bytes that are written and read here. But the
receivers would have to hold or store what arrives, and it would be lost with a process that dies. Files stay, so a
step is simply done again, by any process. docs/benchmarks.md has the number of bytes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.families.ngram import columns
from lmctl.families.ngram.columns import Piece, Pieces, stretches_of, write_pieces
from lmctl.families.ngram.counting_steps import (
    CutRun,
    MergeRange,
    Ngrams,
    Numbered,
    NumberStretch,
    Part,
    Run,
    SortStretch,
    Stretch,
)
from lmctl.families.ngram.sizes import word_bits
from lmctl.families.ngram.table_files import index_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Int64Array, IntArray, UInt64Array
    from lmctl.corpus.preparation import OrderedMap

KEY_DTYPE = np.dtype(np.uint64)


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """The n-grams of one order, sorted.

    Attributes:
        counts: the count of each n-gram in the text, (ngrams,).
        keys: keys of context and last word, (ngrams,); empty for order 1, in which the place of a word is its id.
        suffixes: place of the suffix of each n-gram in the lower order, (ngrams,); empty for order 1.
    """

    counts: Pieces
    keys: Pieces
    suffixes: Pieces

    def __len__(self) -> int:
        return len(self.counts)


def count_ngrams(
    token_ids: IntArray, vocabulary_size: int, order: int, scratch: Path, ordered_map: OrderedMap = map
) -> list[OrderCounts]:
    """Count the n-grams of orders 1 to `order`.

    Args:
        token_ids: the text, (tokens,); `</s>` ends each sentence. If it is a memory-mapped file, other processes
            read that file; else it is copied to `scratch`.
        vocabulary_size: V; every id is less.
        order: number of words of the longest n-grams.
        scratch: an empty folder. The columns of the result stay in it. Every process of `ordered_map` can read and
            write it.
        ordered_map: applies a function to items, in order.
    """
    counter = _Counter(_stored(token_ids, scratch), word_bits(vocabulary_size), scratch, ordered_map)
    words = counter.count_words(vocabulary_size)
    return [words, *(counter.count_order(longer, last=longer == order) for longer in range(2, order + 1))]


class _Counter:
    def __init__(self, tokens: Piece, bits: int, scratch: Path, ordered_map: OrderedMap) -> None:
        self._tokens = Pieces([tokens], tokens.dtype)
        self._bits = bits
        self._scratch = scratch
        self._map = ordered_map
        # There are no more n-grams of an order than positions. The largest number marks positions without one.
        self._dtype = index_dtype(len(tokens) + 1)
        # For each position, the place of the n-gram of the lower order that ends there.
        self._ends = Pieces([], self._dtype)

    def count_words(self, vocabulary_size: int) -> OrderCounts:
        """Count order 1 in this process: reading takes longer than counting."""
        counts = np.zeros(vocabulary_size, dtype=np.int64)
        for start, stop in stretches_of(len(self._tokens)):
            progress.tell("counting 1-grams", start, len(self._tokens))
            counts += np.bincount(self._tokens.between(start, stop).read(), minlength=vocabulary_size)
        column = write_pieces(self._scratch, "counts.1", counts.astype(self._dtype))
        return OrderCounts(
            Pieces(column, self._dtype), keys=Pieces([], KEY_DTYPE), suffixes=Pieces([], self._dtype)
        )

    def count_order(self, order: int, *, last: bool) -> OrderCounts:
        runs = self._sorted_runs(order, last=last)
        self._ends.delete()
        if len(runs) == 1:
            # The only run is the only part, and the places in it are those in the corpus.
            run = runs[0]
            parts, self._ends = [Part(run.ngrams, run.occurrences)], run.occurrences
        else:
            parts, lengths = self._merged(order, runs, last=last)
            self._ends = Pieces([], self._dtype) if last else self._numbered(order, runs, parts, lengths)
        return OrderCounts(
            counts=Pieces([part.ngrams.counts for part in parts], self._dtype),
            keys=Pieces([part.ngrams.keys for part in parts], KEY_DTYPE),
            suffixes=Pieces([part.ngrams.suffixes for part in parts], self._dtype),
        )

    def _sorted_runs(self, order: int, *, last: bool) -> list[Run]:
        tokens, stretches = len(self._tokens), stretches_of(len(self._tokens))
        sort = SortStretch(order, last, self._scratch, self._dtype, self._bits, _stride(len(stretches)))
        progress.tell(f"counting {order}-grams", 0, tokens)
        runs = []
        for run, (_, stop) in zip(self._map(sort, map(self._stretch, stretches)), stretches, strict=True):
            progress.tell(f"counting {order}-grams", stop, tokens)
            runs.append(run)
        return runs

    def _stretch(self, bounds: tuple[int, int]) -> Stretch:
        start, stop = bounds
        first = max(start - 1, 0)
        return Stretch(start, self._tokens.between(first, stop), self._ends.between(first, stop))

    def _merged(self, order: int, runs: Sequence[Run], *, last: bool) -> tuple[list[Part], Int64Array]:
        """Merge runs, and remove their keys.

        Returns:
            The parts, and the number of n-grams of each run in each part, (parts, runs).
        """
        bounds = part_bounds([run.ngrams.keys for run in runs], [run.samples for run in runs], self._map)
        items = (_between(runs, starts, stops) for starts, stops in itertools.pairwise(bounds.tolist()))
        merge = MergeRange(order, last, self._scratch, self._dtype)
        parts = []
        for part in self._map(merge, items):
            parts.append(part)
            progress.tell(f"merging {order}-grams", len(parts), len(bounds) - 1)
        for run in runs:
            run.ngrams.delete()
        return parts, np.diff(bounds, axis=0)

    def _numbered(self, order: int, runs: Sequence[Run], parts: Sequence[Part], lengths: Int64Array) -> Pieces:
        """For each position of the corpus, the place of the n-gram that ends there.

        Args:
            order: number of words of the n-grams.
            runs: the runs, whose files are removed.
            parts: the parts, whose places are removed.
            lengths: the number of n-grams of each run in each part, (parts, runs).
        """
        # N-grams of all parts before each part.
        before = np.cumsum([0, *(len(part.ngrams) for part in parts)])
        # The places of the runs stand one after the other in a part.
        starts = np.cumsum(lengths, axis=1) - lengths

        def item(column: int) -> Numbered:
            there = np.flatnonzero(lengths[:, column]).tolist()
            stops = (starts + lengths)[:, column].tolist()
            places = [parts[part].places.between(int(starts[part, column]), stops[part]) for part in there]
            return Numbered(runs[column].occurrences, places, before[there].tolist())

        number = NumberStretch(order, is_last=False, folder=self._scratch, dtype=self._dtype)
        ends = []
        for of_run in self._map(number, map(item, range(len(runs)))):
            ends.append(of_run)
            progress.tell(f"numbering {order}-grams", len(ends), len(runs))
        for column in (*(run.occurrences for run in runs), *(part.places for part in parts)):
            column.delete()
        return Pieces(ends, self._dtype)


def _stored(token_ids: IntArray, scratch: Path) -> Piece:
    """The token ids in a file: the one that they are mapped from, or a new one."""
    # A slice of a map keeps the offset of the whole, so only whole maps are taken.
    base: Any = token_ids.base
    if isinstance(token_ids, np.memmap) and isinstance(base, mmap) and token_ids.filename is not None:
        return Piece(Path(token_ids.filename), token_ids.dtype, token_ids.offset, len(token_ids))
    return write_pieces(scratch, "tokens", token_ids)[0]


def _stride(runs: int) -> int:
    """The distance of the samples of each of some runs."""
    return max(1, columns.VALUES_AT_ONCE // (2 * runs))


def part_bounds(keys: Sequence[Piece], samples: Sequence[UInt64Array], ordered_map: OrderedMap) -> Int64Array:
    """Cut sorted runs at the same keys, into parts that fit in memory together.

    Args:
        keys: the keys of each run, rising.
        samples: some keys of each run, from the first one on, at the distance `_stride`.
        ordered_map: applies a function to items, in order.

    Returns:
        The place in each run of the first n-gram of each part, and the length of each run, (parts + 1, runs). No
        part is empty.
    """
    runs = len(keys)
    # Between two cuts lie at most as many samples as there are runs, and each run adds less than a stride to them.
    cut = CutRun(np.sort(np.concatenate(samples))[runs::runs])
    stops = np.array(list(ordered_map(cut, keys)), dtype=np.int64).T
    bounds = np.concatenate([np.zeros((1, runs), dtype=np.int64), stops])
    is_other = np.concatenate([[True], np.diff(bounds, axis=0).any(axis=1)])
    return np.compress(is_other, bounds, axis=0)


def _between(runs: Sequence[Run], starts: Sequence[int], stops: Sequence[int]) -> list[Ngrams]:
    """The n-grams of each run between two places in it; runs without any are left out."""
    return [
        run.ngrams.between(start, stop)
        for run, start, stop in zip(runs, starts, stops, strict=True)
        if stop > start
    ]
