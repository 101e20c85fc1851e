"""Back-off weights that make the probabilities of a back-off model sum to 1 (Katz 1987).

For a context h, h' without its first word, and the words w that the tables have after h:

    weight(h) = (1 - sum of p(w | h)) / (1 - sum of p(w | h'))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lmctl.families.ngram.keys import KeyedNgrams, split_keys

if TYPE_CHECKING:
    from lmctl.arrays import Float64Array, Int64Array

# N-grams whose lower order is looked up at once.
NGRAMS_AT_ONCE = 1 << 20
# The share of a distribution that is rounding. A context that leaves no more has no weight for other words.
NOTHING = 1e-12


class Continued(NamedTuple):
    """The n-grams of one order, with what their contexts leave to other words.

    Attributes:
        contexts: the place of the context of each n-gram, (ngrams,).
        probs: of each n-gram, (ngrams,).
        lower: the probability of the last word in the shorter context, (ngrams,).
        left: what each context leaves, (contexts,), at least 0.
        left_by_lower: what its shorter context leaves, (contexts,), at least 0.
    """

    contexts: Int64Array
    probs: Float64Array
    lower: Float64Array
    left: Float64Array
    left_by_lower: Float64Array

    @classmethod
    def of(cls, ngrams: KeyedNgrams, order: int) -> Continued:
        """The n-grams of an order. All lower orders must have back-off weights."""
        keys = ngrams.keys[order]
        contexts, _ = split_keys(keys, ngrams.word_bits)
        lower = np.empty(len(keys))
        for first in range(0, len(keys), NGRAMS_AT_ONCE):
            places = np.arange(first, min(first + NGRAMS_AT_ONCE, len(keys)))
            lower[places] = ngrams.log_probs_of(ngrams.words(order, places)[:, 1:])
        np.exp(lower, out=lower)
        probs = np.exp(ngrams.log_probs[order], dtype=np.float64)
        count = len(ngrams.log_probs[order - 1])
        left, left_by_lower = (
            np.maximum(1.0 - np.bincount(contexts, weights=values, minlength=count), 0.0)
            for values in (probs, lower)
        )
        return cls(contexts, probs, lower, left, left_by_lower)


def renormalize(ngrams: KeyedNgrams) -> None:
    """Set all back-off weights.

    If the shorter context leaves nothing to other words, the probabilities of a context are scaled to sum to 1.
    """
    ngrams.backoffs.clear()
    for order in range(2, ngrams.order + 1):
        set_weights(ngrams, order)


def set_weights(ngrams: KeyedNgrams, order: int) -> None:
    """Set the back-off weights of the contexts of the n-grams of an order, which are n-grams of the one below."""
    found = Continued.of(ngrams, order)
    is_context = np.bincount(found.contexts, minlength=len(found.left)) > 0
    is_full = found.left_by_lower <= NOTHING
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(found.left > NOTHING, np.log(found.left / found.left_by_lower), -np.inf)
        totals = np.log1p(-found.left)
    ngrams.backoffs[order - 1] = np.where(is_context & ~is_full, weights, 0.0)
    scaled = (is_full & is_context)[found.contexts]
    if scaled.any():
        log_probs = ngrams.log_probs[order].astype(np.float64)
        log_probs[scaled] -= totals[found.contexts[scaled]]
        ngrams.log_probs[order] = log_probs
