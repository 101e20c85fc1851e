"""Interpolated modified Kneser-Ney smoothing, as KenLM's lmplz estimates it (Heafield et al. 2013).

The formulas are in Chen & Goodman 1998, An Empirical Study of Smoothing Techniques for Language Modeling,
TR-10-98, section 3; equation 26 gives the discounts. They are computed from adjusted counts (adjusting.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.families.ngram.columns import Pieces


logger = logging.getLogger(__name__)

# Discounts of n-grams with a count of 1, 2, and 3 or more, if the corpus is too small or too unusual for equation
# 26: the defaults of lmplz --discount_fallback.
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Discounts:
    """The discounts of one order.

    Attributes:
        amounts: the discount of a count of 0 (always 0), 1, 2, and 3 or more.
    """

    amounts: tuple[float, float, float, float]

    @classmethod
    def of(cls, order: int, counts: Pieces) -> Discounts:
        """Estimate the discounts of an order from the numbers of its n-grams with a count of 1, 2, 3 and 4."""
        having = np.zeros(5, dtype=np.int64)
        for stretch in counts.stretches():
            # NumPy 2.1 does not count unsigned numbers of 64 bits.
            having += np.bincount(np.minimum(stretch, 5).astype(np.uint8), minlength=6)[:5]
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
        """Discounted probabilities of n-grams, and the weights of the lower order.

        Args:
            counts: adjusted counts of all n-grams of some contexts, (ngrams,).
            kept: whether each n-gram was kept, not pruned, (ngrams,).
            firsts: place of the first n-gram of each context, (contexts,).

        Returns:
            Discounted relative frequencies, (ngrams,), and the weight of the lower order in each context,
            (contexts,): the discounts and the counts of pruned n-grams, divided by all counts.
        """
        discounts = np.array(self.amounts)[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, firsts, dtype=np.float64)
        left = np.add.reduceat(np.where(kept, discounts, counts), firsts)
        lengths = np.diff(firsts, append=len(counts))
        return (counts - discounts) / np.repeat(totals, lengths), left / totals


class _DegenerateError(Exception):
    """Equation 26 gives no valid discounts."""


def _closed_form(having: Sequence[int]) -> tuple[float, float, float, float]:
    """Discounts by equation 26; `having[c]` is the number of n-grams with a count of c."""
    for count in (1, 2, 3):
        if having[count] == 0:
            raise _DegenerateError(f"no n-gram has an adjusted count of {count}")
    share = having[1] / (having[1] + 2 * having[2])
    amounts = [0.0] + [count - (count + 1) * share * having[count + 1] / having[count] for count in (1, 2, 3)]
    for count in (1, 2, 3):
        if not 0 <= amounts[count] <= count:
            raise _DegenerateError(f"the discount of a count of {count} would be {amounts[count]:.2f}")
    return amounts[0], amounts[1], amounts[2], amounts[3]
