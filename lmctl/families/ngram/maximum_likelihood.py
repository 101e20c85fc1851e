"""Maximum likelihood estimation: relative frequencies, without smoothing.

If a context occurs in the text, a word that never follows it has probability 0. If a context does not occur, the
longest suffix of it that does is used in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray


def shares(counts: IntArray, kept: NDArray[np.bool_], firsts: IntArray) -> tuple[Float64Array, Float64Array]:
    """Relative frequencies of n-grams. A pruned n-gram counts as not seen.

    Args:
        counts: counts of all n-grams of some contexts, (ngrams,).
        kept: whether each n-gram was kept, not pruned, (ngrams,).
        firsts: place of the first n-gram of each context, (contexts,).

    Returns:
        Relative frequencies, (ngrams,), and the weight of the lower order, (contexts,): 0, or 1 if all n-grams of
        the context were pruned.
    """
    seen = np.where(kept, counts, 0)
    totals = np.add.reduceat(seen, firsts, dtype=np.float64)
    lengths = np.diff(firsts, append=len(counts))
    return seen / np.repeat(np.maximum(totals, 1.0), lengths), np.where(totals > 0, 0.0, 1.0)
