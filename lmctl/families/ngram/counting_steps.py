"""The steps of counting n-grams (counts.py), each on one item, which may run in another process.

Each step is an object that is called with an item. Items and results are descriptions of files in the scratch
folder and a few numbers, so they are small when they are sent. A step reads no constant that its caller could have
changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram.columns import Piece, Pieces, is_first, write_pieces
from lmctl.families.ngram.keys import make_keys

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import IntArray, UInt64Array


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the corpus.

    Attributes:
        start: its first position.
        tokens: the token ids from one position before it on; from its first position if that is 0.
        ends: for the same positions, the place of the n-gram of the lower order that ends there; empty for
            order 2.
    """

    start: int
    tokens: Pieces
    ends: Pieces


@dataclass(frozen=True, slots=True)
class Ngrams:
    """Sorted n-grams in one file.

    Attributes:
        keys: their keys, rising, (ngrams,).
        counts: their counts, (ngrams,).
        suffixes: the places of their suffixes in the lower order, (ngrams,).
    """

    keys: Piece
    counts: Piece
    suffixes: Piece

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def written(
        cls, folder: Path, name: str, keys: UInt64Array, counts: NDArray[Any], suffixes: NDArray[Any]
    ) -> Ngrams:
        """Write n-grams into a new file; see `write_pieces`."""
        return cls(*write_pieces(folder, name, keys, counts, suffixes))

    def between(self, start: int, stop: int) -> Ngrams:
        """The n-grams from place `start` up to `stop`, without `stop`."""
        return Ngrams(
            self.keys.between(start, stop), self.counts.between(start, stop), self.suffixes.between(start, stop)
        )

    def delete(self) -> None:
        """Remove the file."""
        self.keys.path.unlink()


@dataclass(frozen=True, slots=True)
class Run:
    """The n-grams of a stretch of the corpus.

    Attributes:
        ngrams: the n-grams, with their counts in the stretch.
        occurrences: for each position of the stretch, the place in this run of the n-gram that ends there; empty
            for the highest order.
        samples: keys at equal distances, rising.
    """

    ngrams: Ngrams
    occurrences: Pieces
    samples: UInt64Array


@dataclass(frozen=True, slots=True)
class Part:
    """The n-grams of the corpus in a range of keys.

    Attributes:
        ngrams: the n-grams, with their counts in the corpus.
        places: for each of the n-grams that were merged, one run after the other, its place in this part; empty
            for the highest order.
    """

    ngrams: Ngrams
    places: Pieces


@dataclass(frozen=True, slots=True)
class Numbered:
    """A stretch whose positions are to be numbered.

    Attributes:
        occurrences: see `Run`.
        places: for each part that has n-grams of the run, in order, their places in the part.
        before: for each of these parts, the number of n-grams of all parts before it.
    """

    occurrences: Pieces
    places: list[Pieces]
    before: list[int]


@dataclass(frozen=True, slots=True)
class Step:
    """What all steps of an order know.

    Attributes:
        order: the number of words of the n-grams.
        is_last: whether this is the highest order, whose n-grams are not numbered.
        folder: the folder for the files.
        dtype: the type of a place.
    """

    order: int
    is_last: bool
    folder: Path
    dtype: np.dtype[Any]

    @property
    def none(self) -> int:
        """The number at positions at which no n-gram ends: its first word would be in the previous sentence."""
        return int(np.iinfo(self.dtype).max)


@dataclass(frozen=True, slots=True)
class SortStretch(Step):
    """Sorts the n-grams that end in a stretch into a run.

    Attributes:
        bits: the number of bits for a word id in a key.
        stride: the distance of the samples.
    """

    bits: int
    stride: int

    def __call__(self, stretch: Stretch) -> Run:
        """Read the stretch, and write the run."""
        tokens = stretch.tokens.read()
        words = tokens if stretch.start == 0 else tokens[1:]
        ends_here, contexts, suffixes = self._occurrences(stretch, tokens, words)
        keys = make_keys(contexts, words[ends_here], self.bits)
        del tokens, contexts
        rising = np.argsort(keys)
        keys = keys[rising]
        new = is_first(keys)
        firsts = np.flatnonzero(new)
        occurrences = []
        if not self.is_last:
            numbers = np.empty(len(keys), dtype=self.dtype)
            numbers[rising] = np.cumsum(new) - 1
            of_positions = np.full(len(words), self.none, dtype=self.dtype)
            of_positions[ends_here] = numbers
            occurrences = write_pieces(self.folder, f"occurrences.{self.order}", of_positions)
        distinct = keys[firsts]
        ngrams = Ngrams.written(
            self.folder,
            f"run.{self.order}",
            distinct,
            np.diff(firsts, append=len(keys)).astype(self.dtype),
            suffixes[rising[firsts]].astype(self.dtype, copy=False),
        )
        return Run(ngrams, Pieces(occurrences, self.dtype), distinct[:: self.stride].copy())

    def _occurrences(
        self, stretch: Stretch, tokens: IntArray, words: IntArray
    ) -> tuple[NDArray[np.bool_], IntArray, IntArray]:
        """Find the n-grams of the order that end in a stretch.

        Returns:
            Whether an n-gram ends at each position, (positions,), and for those that do, the places of their
            contexts and of their suffixes.
        """
        before = _from_one_before(tokens, stretch.start, SENTENCE_END_ID)[:-1]
        if self.order == 2:
            return np.ones(len(words), dtype=bool), before, words
        ends = _from_one_before(stretch.ends.read(), stretch.start, self.none)
        contexts, suffixes = ends[:-1], ends[1:]
        ends_here = (contexts != self.none) & (before != SENTENCE_END_ID)
        return ends_here, contexts[ends_here], suffixes[ends_here]


@dataclass(frozen=True, slots=True)
class CutRun:
    """Finds the places at which sorted keys are cut.

    Attributes:
        cuts: the first keys of all parts but the first, rising, (parts - 1,).
    """

    cuts: UInt64Array

    def __call__(self, keys: Piece) -> list[int]:
        """The place after the last key of each part, (parts,)."""
        return [*np.searchsorted(keys.map(), self.cuts).tolist(), len(keys)]


@dataclass(frozen=True, slots=True)
class MergeRange(Step):
    """Merges the n-grams of all runs in a range of keys: sums the counts of the same n-gram."""

    def __call__(self, of_runs: list[Ngrams]) -> Part:
        """Read the n-grams of each run, and write the part."""
        keys = Pieces([ngrams.keys for ngrams in of_runs], np.uint64).read()
        rising = np.argsort(keys)
        keys = keys[rising]
        new = is_first(keys)
        firsts = np.flatnonzero(new)
        pieces = []
        if not self.is_last:
            places = np.empty(len(keys), dtype=self.dtype)
            places[rising] = np.cumsum(new) - 1
            pieces = write_pieces(self.folder, f"places.{self.order}", places)
            del places
        keys = keys[firsts]
        counts = Pieces([ngrams.counts for ngrams in of_runs], self.dtype).read()
        counts = np.add.reduceat(counts[rising], firsts, dtype=self.dtype)
        rising = rising[firsts]
        suffixes = Pieces([ngrams.suffixes for ngrams in of_runs], self.dtype).read()[rising]
        ngrams = Ngrams.written(self.folder, f"part.{self.order}", keys, counts, suffixes)
        return Part(ngrams, Pieces(pieces, self.dtype))


@dataclass(frozen=True, slots=True)
class NumberStretch(Step):
    """Numbers the positions of a stretch: the place in the corpus of the n-gram that ends at each."""

    def __call__(self, item: Numbered) -> Piece:
        """Read the places of the run in all parts, and write the numbers."""
        numbers = item.occurrences.read()
        there = numbers != self.none
        places = np.empty(sum(map(len, item.places)), dtype=self.dtype)
        filled = 0
        for of_part, before in zip(item.places, item.before, strict=True):
            np.add(of_part.read(), self.dtype.type(before), out=places[filled : filled + len(of_part)])
            filled += len(of_part)
        numbers[there] = places[numbers[there]]
        return write_pieces(self.folder, f"ends.{self.order}", numbers)[0]


def _from_one_before(values: IntArray, start: int, first: int) -> IntArray:
    """Values from the position before a stretch on; `first` is the value before the corpus."""
    if start:
        return values
    return np.concatenate([np.array([first], dtype=values.dtype), values])
