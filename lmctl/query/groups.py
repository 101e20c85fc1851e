"""Divides the tokens of a text into groups: by frequency, place, length, and the n-grams that cover them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END
from lmctl.query.bands import COUNTS, OOV, band_names, bands_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import BoolArray, IntArray

By = Literal["frequency", "position", "frequency_length", "ngram_length"]

# The least value of each band (bands.py).
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
        lengths: number of its characters, without blanks, (N,).
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
        names = [*band_names(COUNTS), OOV, SENTENCE_END]
        group = bands_of(COUNTS, traits.counts)
        group[traits.is_oov] = len(names) - 2
        group[traits.is_end] = len(names) - 1
        yield Grouping("frequency", names, group)
    yield Grouping("position", band_names(POSITIONS), bands_of(POSITIONS, traits.positions))
    if traits.counts is not None:
        classes, lengths = [*band_names(CLASS_COUNTS), OOV], band_names(CLASS_LENGTHS)
        of_count = bands_of(CLASS_COUNTS, traits.counts)
        of_count[traits.is_oov] = len(classes) - 1
        group = of_count * len(lengths) + bands_of(CLASS_LENGTHS, np.maximum(traits.lengths, 1))
        names = [f"{count} x {length}" for count in classes for length in lengths] + [SENTENCE_END]
        group[traits.is_end] = len(names) - 1
        yield Grouping("frequency_length", names, group)
    if traits.ngrams is not None:
        longest = int(traits.ngrams.max())
        yield Grouping("ngram_length", [str(length) for length in range(1, longest + 1)], traits.ngrams - 1)
