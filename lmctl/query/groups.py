"""Divides the tokens of a text into groups: by frequency, place, length, and the n-grams that cover them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import BoolArray, IntArray

By = Literal["frequency", "position", "frequency_length", "ngram_length"]

OOV = "oov"
# The least value of each band; a band reaches to the value before the next one.
COUNTS = (0, 1, 2, 10, 100, 1_000, 10_000)
POSITIONS = (1, 2, 3, 5, 9, 17, 33, 65)
CLASS_COUNTS = (0, 10, 1_000)
CLASS_LENGTHS = (1, 2, 3, 5, 9)


class Traits(NamedTuple):
    """What groups are made by, of N tokens.

    Attributes:
        counts: how often the token occurs in the training text of the first model, (N,); None: not known.
        is_oov: whether the first model does not know it, (N,).
        is_end: whether it is `</s>`, (N,).
        positions: its place in the sentence, from 1, (N,).
        lengths: number of its characters, (N,).
        ngrams: length of the longest n-gram of the training text that ends in it, the token included, (N,); None:
            no model has n-grams.
    """

    counts: IntArray | None
    is_oov: BoolArray
    is_end: BoolArray
    positions: IntArray
    lengths: IntArray
    ngrams: IntArray | None


class Grouping(NamedTuple):
    """A division of tokens into groups.

    Attributes:
        by: what it is made by.
        names: of the groups, in order.
        group: the group of each token, (N,).
    """

    by: By
    names: Sequence[str]
    group: IntArray


def groupings(traits: Traits) -> Iterator[Grouping]:
    """Yield all groupings that the traits allow. In each, every token is in one group."""
    if traits.counts is not None:
        names = [*_names(COUNTS), OOV, SENTENCE_END]
        group = _bands(COUNTS, traits.counts)
        group[traits.is_oov] = len(names) - 2
        group[traits.is_end] = len(names) - 1
        yield Grouping("frequency", names, group)
    yield Grouping("position", _names(POSITIONS), _bands(POSITIONS, traits.positions))
    if traits.counts is not None:
        classes, lengths = [*_names(CLASS_COUNTS), OOV], _names(CLASS_LENGTHS)
        of_count = _bands(CLASS_COUNTS, traits.counts)
        of_count[traits.is_oov] = len(classes) - 1
        group = of_count * len(lengths) + _bands(CLASS_LENGTHS, np.maximum(traits.lengths, 1))
        names = [f"{count} x {length}" for count in classes for length in lengths] + [SENTENCE_END]
        group[traits.is_end] = len(names) - 1
        yield Grouping("frequency_length", names, group)
    if traits.ngrams is not None:
        longest = int(traits.ngrams.max())
        yield Grouping("ngram_length", [str(length) for length in range(1, longest + 1)], traits.ngrams - 1)


def _bands(least: Sequence[int], values: IntArray) -> IntArray:
    """The band of each value, from 0."""
    return np.searchsorted(np.array(least), values, side="right") - 1


def _names(least: Sequence[int]) -> list[str]:
    """`1` for a band of one value, `2-9` for several, `10-` for the last."""
    found = []
    for low, following in itertools.pairwise(least):
        found.append(str(low) if following == low + 1 else f"{low}-{following - 1}")
    return [*found, f"{least[-1]}-"]
