"""Adjusted counts, of which Kneser-Ney smoothing estimates the probabilities of shorter n-grams.

Below the highest order, the adjusted count of an n-gram is the number of distinct words before it: the number of
n-grams of the higher order that have it as suffix. An n-gram at the start of a sentence has no word before it, so
its adjusted count is its count.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram.columns import Piece, Pieces, stretches_of, write_pieces

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.arrays import IntArray
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.families.ngram.counts import OrderCounts


@dataclass(frozen=True, slots=True)
class SortSuffixes:
    """Sorts the suffixes of a stretch of n-grams.

    Attributes:
        folder: the folder for the files.
        order: number of words of the suffixes.
        bounds: the first places of all stretches of the suffixes' order but the first, (stretches - 1,).
    """

    folder: Path
    order: int
    bounds: IntArray

    def __call__(self, suffixes: Pieces) -> tuple[Piece, list[int]]:
        """Write the sorted suffixes.

        Returns:
            The suffixes, and the place after the last suffix of each stretch of their order.
        """
        rising = np.sort(suffixes.read())
        (piece,) = write_pieces(self.folder, f"suffixes.{self.order}", rising)
        return piece, [*np.searchsorted(rising, self.bounds).tolist(), len(rising)]


@dataclass(frozen=True, slots=True)
class Suffixes:
    """The suffixes of all n-grams in a stretch of the suffixes' order.

    Attributes:
        start: place of the first n-gram of the stretch.
        stop: place after the last one.
        suffixes: places in the stretch, once for each n-gram of the higher order that has it as suffix.
        first_kept: place of the first n-gram of the stretch that keeps its count.
        kept: the counts that are kept, of n-grams one after the other.
    """

    start: int
    stop: int
    suffixes: Pieces
    first_kept: int
    kept: Pieces


@dataclass(frozen=True, slots=True)
class CountSuffixes:
    """Counts how often each n-gram of a stretch is a suffix.

    Attributes:
        folder: the folder for the files.
        order: number of words of the suffixes.
        dtype: the type of a count.
    """

    folder: Path
    order: int
    dtype: np.dtype[Any]

    def __call__(self, item: Suffixes) -> Piece:
        """Write the adjusted counts of the stretch, (stop - start,)."""
        different = np.zeros(item.stop - item.start, dtype=self.dtype)
        for part in item.suffixes.parts:
            np.add.at(different, part.read() - self.dtype.type(item.start), self.dtype.type(1))
        there = item.first_kept - item.start
        different[there : there + len(item.kept)] = item.kept.read()
        return write_pieces(self.folder, f"adjusted.{self.order}", different)[0]


def adjusted_counts(
    counts: Sequence[OrderCounts], bits: int, scratch: Path, ordered_map: OrderedMap = map
) -> list[Pieces]:
    """Compute the adjusted counts of each order.

    Args:
        counts: the n-grams of every order, with their counts in the text.
        bits: number of bits for a word id in a key.
        scratch: the folder for the new columns. Every process of `ordered_map` can read and write it.
        ordered_map: applies a function to items, in order.
    """
    adjusted = []
    # N-grams at the start of a sentence have `</s>` as first word, so they are neighbours in the sorted tables.
    bounds = [SENTENCE_END_ID, SENTENCE_END_ID + 1]
    for order, (lower, higher) in enumerate(itertools.pairwise(counts), start=1):
        progress.tell(f"adjusting the counts of {order}-grams", 0, len(lower))
        if order > 1:
            bounds = [lower.keys.search(np.uint64(bound) << np.uint64(bits)) for bound in bounds]
        kept = range(*bounds) if order > 1 else range(0)
        dtype = lower.counts.dtype
        stretches = stretches_of(len(lower))
        by_stretch = _by_stretch(order, stretches, higher.suffixes, scratch, ordered_map)
        count = CountSuffixes(scratch, order, dtype)
        items = (
            Suffixes(start, stop, suffixes, *_kept(lower.counts, kept, start, stop))
            for (start, stop), suffixes in zip(stretches, by_stretch, strict=True)
        )
        adjusted.append(Pieces(ordered_map(count, items), dtype))
        if len(stretches) > 1:
            Pieces(itertools.chain.from_iterable(of.parts for of in by_stretch), dtype).delete()
    return [*adjusted, counts[-1].counts]


def _kept(counts: Pieces, kept: range, start: int, stop: int) -> tuple[int, Pieces]:
    """The n-grams of a stretch that keep their counts: the place of the first one, and the counts."""
    first = min(max(kept.start, start), stop)
    return first, counts.between(first, max(first, min(kept.stop, stop)))


def _by_stretch(
    order: int, stretches: Sequence[tuple[int, int]], suffixes: Pieces, scratch: Path, ordered_map: OrderedMap
) -> list[Pieces]:
    """The suffixes in each stretch of their order. They are sorted if there are several stretches."""
    if len(stretches) == 1:
        return [suffixes]
    sort = SortSuffixes(scratch, order, np.array([start for start, _ in stretches[1:]], dtype=suffixes.dtype))
    found: list[list[Piece]] = [[] for _ in stretches]
    for piece, stops in ordered_map(sort, (suffixes.between(*bounds) for bounds in stretches_of(len(suffixes)))):
        for of_stretch, bounds in zip(found, itertools.pairwise([0, *stops]), strict=True):
            of_stretch.append(piece.between(*bounds))
    return [Pieces(parts, suffixes.dtype) for parts in found]
