"""The tables of an n-gram model, unpacked in memory, for texts with many tokens.

The tables on disk are small, and what a context needs is computed when it is asked for: the place of its first
n-gram by counting bits (continuations.py), its weight by adding shares (shares.py). For a long text, it takes less
time to compute both once for all contexts, and then to look them up. The numbers have the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.ngram.continuations import CONTEXTS_AT_ONCE
from lmctl.families.ngram.tables import NgramTables

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray

# Most contexts of all orders that are unpacked; they take 200 MB.
MOST_CONTEXTS = 1 << 24
# Unpacking a context takes about as long as this share of the time that it saves for a token.
TOKENS_FOR_A_CONTEXT = 1 / 8


def pays(tables: NgramTables, tokens: int) -> bool:
    """Whether a text is so long that unpacking saves time, and the tables so small that they may be unpacked."""
    contexts = sum(tables.sizes.ngrams[:-1])
    return contexts <= MOST_CONTEXTS and tokens >= TOKENS_FOR_A_CONTEXT * contexts


@dataclass(frozen=True, slots=True)
class UnpackedTables(NgramTables):
    """Tables that hold the n-grams and the weight of each context. `unpacked` makes them.

    Attributes:
        places: from order 2, the place of the first n-gram of each context, (contexts + 2,): 0 for `ABSENT`, then
            the place for each context, then the number of n-grams.
        context_weights: from order 2, the weight of the lower order in each context, (contexts + 1,): 1 for
            `ABSENT`, then the weight of each context. Only of a quantised model.
    """

    places: dict[int, NDArray[Any]]
    context_weights: dict[int, Float64Array]

    def continuations(self, order: int, contexts: IntArray) -> tuple[IntArray, IntArray]:
        """See `NgramTables.continuations`."""
        places, after_absent = self.places[order], contexts + 1
        return places.take(after_absent), places[1:].take(after_absent)

    def weights(self, length: int, contexts: IntArray, first: IntArray, stop: IntArray) -> Float64Array:  # noqa: ARG002
        """See `NgramTables.weights`."""
        return self.context_weights[length + 1].take(contexts + 1)


def unpacked(tables: NgramTables) -> UnpackedTables:
    """Compute the first n-gram and the weight of each context, about 12 bytes for each."""
    places: dict[int, NDArray[Any]] = {}
    weights: dict[int, Float64Array] = {}
    for order, ngrams in tables.ngrams.items():
        # Places are subtracted, and a search looks ahead of the last place.
        narrow = 2 * len(ngrams.words) <= np.iinfo(np.int32).max
        places[order] = np.zeros(ngrams.contexts + 2, dtype=np.int32 if narrow else np.int64)
        places[order][-1] = len(ngrams.words)
        if tables.shares:
            weights[order] = np.ones(ngrams.contexts + 1)
        for start in range(0, ngrams.contexts, CONTEXTS_AT_ONCE):
            contexts = np.arange(start, min(start + CONTEXTS_AT_ONCE, ngrams.contexts))
            first, stop = ngrams.between(contexts)
            places[order][contexts + 1] = first
            if tables.shares:
                weights[order][contexts + 1] = tables.weights(order - 1, contexts, first, stop)
    own = {field.name: getattr(tables, field.name) for field in fields(NgramTables)}
    return UnpackedTables(**own, places=places, context_weights=weights)
