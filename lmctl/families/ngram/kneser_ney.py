"""Interpolated modified Kneser-Ney smoothing, as KenLM's lmplz estimates it (Heafield et al. 2013).

The formulas are those of Chen & Goodman 1998, An Empirical Study of Smoothing Techniques for Language Modeling,
TR-10-98, section 3; discounts follow from equation 26. Below the highest order an n-gram counts as often as
different words stand before it. One that starts a sentence has nothing before it: it counts as often as it occurs.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.ngram.columns import Column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.families.ngram.counts import OrderCounts


logger = logging.getLogger(__name__)

# Of n-grams counted once, twice, three times and more, where a corpus is too small or too strange for equation 26:
# those of lmplz --discount_fallback.
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Discounts:
    """What is taken from the counts of one order.

    Attributes:
        amounts: from a count of 0 (nothing), 1, 2, 3 and more.
    """

    amounts: tuple[float, float, float, float]

    @classmethod
    def of(cls, order: int, counts: Column) -> Discounts:
        """The discounts of an order, from how many of its n-grams have a count of 1, 2, 3 and 4."""
        having = np.zeros(5, dtype=np.int64)
        for stretch in counts.stretches():
            having += np.bincount(np.minimum(stretch, 5), minlength=6)[:5]
        try:
            return cls(_closed_form(having.tolist()))
        except _DegenerateError as error:
            logger.debug(
                "order %d: %s, as in a very small or artificial text; discounting %.1f, %.1f and %.1f instead",
                order,
                error,
                *FALLBACK,
            )
            return cls((0.0, *FALLBACK))

    def shares(
        self, counts: IntArray, kept: NDArray[np.bool_], firsts: IntArray
    ) -> tuple[Float64Array, Float64Array]:
        """What n-grams have of their own, and what their contexts have left for the order below.

        Args:
            counts: of all n-grams after some contexts, (ngrams,).
            kept: which of them were not pruned, (ngrams,).
            firsts: where each context's n-grams start, (contexts,).

        Returns:
            Discounted relative frequencies, (ngrams,), and the weight of the order below, (contexts,).
        """
        discounts = np.array(self.amounts)[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, firsts, dtype=np.float64)
        left = np.add.reduceat(np.where(kept, discounts, counts), firsts)
        lengths = np.diff(firsts, append=len(counts))
        return (counts - discounts) / np.repeat(totals, lengths), left / totals


class _DegenerateError(Exception):
    """Equation 26 has no answer."""


def _closed_form(having: Sequence[int]) -> tuple[float, float, float, float]:
    """Equation 26; `having[c]` is how many n-grams have a count of c."""
    for count in (1, 2, 3):
        if having[count] == 0:
            raise _DegenerateError(f"no n-gram has an adjusted count of {count}")
    share = having[1] / (having[1] + 2 * having[2])
    amounts = [0.0] + [count - (count + 1) * share * having[count + 1] / having[count] for count in (1, 2, 3)]
    for count in (1, 2, 3):
        if not 0 <= amounts[count] <= count:
            raise _DegenerateError(f"the discount of a count of {count} would be {amounts[count]:.2f}")
    return amounts[0], amounts[1], amounts[2], amounts[3]


def adjusted_counts(counts: Sequence[OrderCounts], bits: int, scratch: Path) -> list[Column]:
    """Counts as Kneser-Ney smoothing has them, for each order.

    Args:
        counts: of every order, as they stand in the corpus.
        bits: of the word in a key.
        scratch: where the columns go.
    """
    adjusted = []
    # An n-gram that starts a sentence has `</s>` for its first word, and tables are sorted by that first.
    start, stop = SENTENCE_END_ID, SENTENCE_END_ID + 1
    for order, (lower, higher) in enumerate(itertools.pairwise(counts), start=1):
        column = Column(scratch / f"adjusted.{order}", lower.counts.dtype)
        column.grow_to(len(lower))
        different = column.map()
        for suffixes in higher.suffixes.stretches():
            np.add.at(different, suffixes, different.dtype.type(1))
        if order > 1:
            bounds = np.array([start, stop], dtype=np.uint64) << np.uint64(bits)
            start, stop = np.searchsorted(lower.keys.map(), bounds).tolist()
            different[start:stop] = lower.counts.read(start, stop)
        adjusted.append(column)
    return [*adjusted, counts[-1].counts]
