"""Counting the n-grams of an id stream, order by order, in bounded memory.

The number of an n-gram is its place in the sorted table of its order (see tables.py). An n-gram that ends at a
position consists of its context, which ends one position before, and the word at the position. So the keys of
order n follow from the numbers of order n - 1 at each position. The keys are sorted in stretches of the corpus,
merged and numbered.

The suffix of an n-gram (the n-gram without its first word) ends at the same position. So the place of the suffix
is known from any occurrence of the n-gram, without a search.

The word before the first word of a sentence is `</s>`, in place of the `<s>` of other programs. Every order has it
once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram import columns
from lmctl.families.ngram.columns import Column, is_first
from lmctl.families.ngram.keys import make_keys
from lmctl.families.ngram.sizes import word_bits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import IntArray, UInt64Array


@dataclass(frozen=True, slots=True)
class OrderCounts:
    """The n-grams of one order, sorted.

    Attributes:
        counts: the count of each n-gram in the text, (ngrams,).
        keys: keys of context and last word, (ngrams,); empty for order 1, in which the place of a word is its id.
        suffixes: place of the suffix of each n-gram in the lower order, (ngrams,); empty for order 1.
    """

    counts: Column
    keys: Column
    suffixes: Column

    def __len__(self) -> int:
        return len(self.counts)


def count_ngrams(token_ids: IntArray, vocabulary_size: int, order: int, scratch: Path) -> list[OrderCounts]:
    """Count the n-grams of orders 1 to `order`.

    Args:
        token_ids: the text, (tokens,); `</s>` ends each sentence. May be memory-mapped.
        vocabulary_size: V; every id is less.
        order: number of words of the longest n-grams.
        scratch: an empty folder. The columns of the result stay in it.
    """
    counter = _Counter(token_ids, word_bits(vocabulary_size), scratch)
    words = counter.count_words(vocabulary_size)
    return [words, *(counter.count_order(longer, last=longer == order) for longer in range(2, order + 1))]


@dataclass(frozen=True, slots=True)
class _Run:
    """The sorted n-grams of a stretch of the corpus.

    Attributes:
        keys: their keys, rising, (ngrams,).
        counts: their counts in the stretch, (ngrams,).
        suffixes: the places of their suffixes in the lower order, (ngrams,).
        occurrences: for each position of the stretch, the place in this run of the n-gram that ends there.
        places: for each n-gram of this run, its place in the whole corpus.
    """

    keys: Column
    counts: Column
    suffixes: Column
    occurrences: Column
    places: Column

    def delete(self) -> None:
        for column in (self.keys, self.counts, self.suffixes, self.occurrences, self.places):
            column.delete()


class _Counter:
    def __init__(self, token_ids: IntArray, bits: int, scratch: Path) -> None:
        self._token_ids = token_ids
        self._bits = bits
        self._scratch = scratch
        # There are fewer n-grams of an order than positions.
        self._dtype = np.dtype(np.uint32 if len(token_ids) < np.iinfo(np.uint32).max else np.uint64)
        # The number at positions at which no n-gram ends, because its first word would be in the previous
        # sentence.
        self._none = 2 ** (8 * self._dtype.itemsize) - 1
        # For each position, the place of the n-gram of the lower order that ends there.
        self._ends = Column(scratch / "ends.1", self._dtype)

    def count_words(self, vocabulary_size: int) -> OrderCounts:
        counts = np.zeros(vocabulary_size, dtype=np.int64)
        for start, stop in self._stretches():
            counts += np.bincount(self._token_ids[start:stop], minlength=vocabulary_size)
        column = self._column("counts.1")
        column.append(counts)
        return OrderCounts(column, self._column("keys.1", np.dtype(np.uint64)), self._column("suffixes.1"))

    def count_order(self, order: int, *, last: bool) -> OrderCounts:
        runs = [self._sort_stretch(order, *stretch, last=last) for stretch in self._stretches(order)]
        counted = self._merge(order, runs, last=last)
        self._ends.delete()
        if not last:
            self._ends = Column(self._scratch / f"ends.{order}", self._dtype)
        for run in runs:
            if not last:
                self._ends.append(self._numbered(run))
            run.delete()
        return counted

    def _stretches(self, order: int = 1) -> Iterator[tuple[int, int]]:
        tokens = len(self._token_ids)
        for start in range(0, tokens, columns.VALUES_AT_ONCE):
            progress.tell(f"counting {order}-grams", start, tokens)
            yield start, min(start + columns.VALUES_AT_ONCE, tokens)

    def _column(self, name: str, dtype: np.dtype[Any] | None = None) -> Column:
        return Column(self._scratch / name, dtype or self._dtype)

    def _occurrences(self, order: int, start: int, stop: int) -> tuple[NDArray[np.bool_], IntArray, IntArray]:
        """Find the n-grams of an order that end in a stretch.

        Returns:
            Whether an n-gram ends at each position, (positions,), and for those that do, the places of their
            contexts and of their suffixes.
        """
        words = self._token_ids[start:stop]
        before = self._from_one_before(self._token_ids[max(start - 1, 0) : stop], start, SENTENCE_END_ID)
        if order == 2:
            return np.ones(len(words), dtype=bool), before, words
        ends = self._from_one_before(self._ends.read(max(start - 1, 0), stop), start, self._none, suffix=True)
        contexts, suffixes = ends[:-1], ends[1:]
        ends_here = (contexts != self._none) & (before != SENTENCE_END_ID)
        return ends_here, contexts[ends_here], suffixes[ends_here]

    @staticmethod
    def _from_one_before(values: IntArray, start: int, first: int, *, suffix: bool = False) -> IntArray:
        """Values from the position before a stretch on; `first` is the value before the corpus."""
        if start == 0:
            values = np.concatenate([np.array([first], dtype=values.dtype), values])
        return values if suffix else values[:-1]

    def _sort_stretch(self, order: int, start: int, stop: int, *, last: bool) -> _Run:
        ends_here, contexts, suffixes = self._occurrences(order, start, stop)
        keys = make_keys(contexts, self._token_ids[start:stop][ends_here], self._bits)
        rising = np.argsort(keys)
        keys = keys[rising]
        new = is_first(keys)
        firsts = np.flatnonzero(new)
        name = f"run.{order}.{start}"
        run = _Run(
            keys=self._column(f"{name}.keys", np.dtype(np.uint64)),
            counts=self._column(f"{name}.counts"),
            suffixes=self._column(f"{name}.suffixes"),
            occurrences=self._column(f"{name}.occurrences"),
            places=self._column(f"{name}.places"),
        )
        run.keys.append(keys[firsts])
        run.counts.append(np.diff(firsts, append=len(keys)))
        run.suffixes.append(suffixes[rising[firsts]])
        if not last:
            numbers = np.empty(len(keys), dtype=self._dtype)
            numbers[rising] = np.cumsum(new) - 1
            occurrences = np.full(stop - start, self._none, dtype=self._dtype)
            occurrences[ends_here] = numbers
            run.occurrences.append(occurrences)
        return run

    def _merge(self, order: int, runs: list[_Run], *, last: bool) -> OrderCounts:
        """Merge runs: sum the counts of the same n-gram in all of them."""
        merged = OrderCounts(
            counts=self._column(f"counts.{order}"),
            keys=self._column(f"keys.{order}", np.dtype(np.uint64)),
            suffixes=self._column(f"suffixes.{order}"),
        )
        for parts in _parts_of_like_keys([run.keys for run in runs]):
            keys = np.concatenate([run.keys.read(*part) for run, part in zip(runs, parts, strict=True)])
            counts = np.concatenate([run.counts.read(*part) for run, part in zip(runs, parts, strict=True)])
            suffixes = np.concatenate([run.suffixes.read(*part) for run, part in zip(runs, parts, strict=True)])
            rising = np.argsort(keys)
            keys = keys[rising]
            new = is_first(keys)
            firsts = np.flatnonzero(new)
            if not last:
                places = np.empty(len(keys), dtype=self._dtype)
                places[rising] = np.cumsum(new) - 1 + len(merged)
                ends = np.cumsum([stop - start for start, stop in parts])[:-1]
                for run, of_run in zip(runs, np.split(places, ends), strict=True):
                    run.places.append(of_run)
            merged.keys.append(keys[firsts])
            merged.suffixes.append(suffixes[rising[firsts]])
            merged.counts.append(np.add.reduceat(counts[rising], firsts))
        return merged

    def _numbered(self, run: _Run) -> IntArray:
        """For each position of a run, the place in the whole corpus of the n-gram that ends there."""
        occurrences = run.occurrences.read(0, len(run.occurrences))
        there = occurrences != self._none
        occurrences[there] = run.places.read(0, len(run.places))[occurrences[there]]
        return occurrences


def _parts_of_like_keys(runs: list[Column]) -> Iterator[list[tuple[int, int]]]:
    """Cut sorted runs at the same keys, into parts that fit in memory together.

    Yields:
        Start and stop of the part in each run. At least one part is not empty.
    """
    stride = max(1, columns.VALUES_AT_ONCE // (2 * len(runs)))
    maps: list[UInt64Array] = [run.map() for run in runs]
    samples = np.sort(np.concatenate([keys[::stride] for keys in maps]))
    # Between two cuts lie at most as many samples as there are runs, and each run adds less than a stride to them.
    cuts = samples[len(runs) :: len(runs)]
    stops = [[*np.searchsorted(keys, cuts).tolist(), len(keys)] for keys in maps]
    starts = [0] * len(runs)
    for part in range(len(cuts) + 1):
        ends = [of_run[part] for of_run in stops]
        if ends != starts:
            yield list(zip(starts, ends, strict=True))
        starts = ends
