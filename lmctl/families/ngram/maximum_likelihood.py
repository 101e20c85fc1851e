"""Maximum likelihood: relative frequencies, and nothing for what was never seen.

After a context that was seen, a word that never followed it has probability 0. A context that was never seen says
nothing: the longest end of it that was seen speaks in its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray


def shares(counts: IntArray, kept: NDArray[np.bool_], firsts: IntArray) -> tuple[Float64Array, Float64Array]:
    """Relative frequencies among the n-grams that were kept: a pruned one counts as never seen.

    Args:
        counts: of all n-grams after some contexts, (ngrams,).
        kept: which of them were not pruned, (ngrams,).
        firsts: where each context's n-grams start, (contexts,).

    Returns:
        Relative frequencies, (ngrams,), and the weight of the order below, (contexts,): 0, or 1 where nothing was
        kept.
    """
    seen = np.where(kept, counts, 0)
    totals = np.add.reduceat(seen, firsts, dtype=np.float64)
    lengths = np.diff(firsts, append=len(counts))
    return seen / np.repeat(np.maximum(totals, 1.0), lengths), np.where(totals > 0, 0.0, 1.0)
