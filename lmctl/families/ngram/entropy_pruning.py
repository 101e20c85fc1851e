"""Entropy pruning: n-grams are left out whose loss changes the distribution least (Stolcke 1998).

"Entropy-based pruning of backoff language models", arXiv:cs/0006025. Without the n-gram h w, its probability is
weight'(h) p(w | h'), and the new weight changes the probabilities of all words that the tables do not have after
h. The divergence from the old distribution is, with the numbers of renormalizing.py (section 3 there),

    D = -p(h) (p(w | h) (log p(w | h') + log weight'(h) - log p(w | h)) + left(h) (log weight'(h) - log weight(h)))

The perplexity of a text of the model's own distribution rises by the factor exp(D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl import progress
from lmctl.families.ngram.keys import make_keys, split_keys
from lmctl.families.ngram.renormalizing import Continued, renormalize

if TYPE_CHECKING:
    from lmctl.arrays import BoolArray, Float64Array
    from lmctl.families.ngram.keys import KeyedNgrams


def prune(ngrams: KeyedNgrams, threshold: float) -> None:
    """Leave out every n-gram whose loss alone raises the perplexity by a share of less than `threshold`.

    Orders are pruned from the highest to 2, with the weights of the whole model. An n-gram that is the context of
    a longer one that is kept is kept, too.
    """
    for order in range(ngrams.order, 1, -1):
        progress.tell(f"pruning {order}-grams")
        kept = np.expm1(divergences(ngrams, order)) >= threshold
        if order < ngrams.order:
            contexts, _ = split_keys(ngrams.keys[order + 1], ngrams.word_bits)
            kept[contexts] = True
        _keep(ngrams, order, kept)
    renormalize(ngrams)


def divergences(ngrams: KeyedNgrams, order: int) -> Float64Array:
    """The divergence that each n-gram of an order leaves if it alone is left out, in nats, (ngrams,).

    It is infinite where the shorter context gives the word nothing.
    """
    found = Continued.of(ngrams, order)
    left = found.left[found.contexts]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_weight = np.log(left / found.left_by_lower[found.contexts])
        new_log_weight = np.log((left + found.probs) / (found.left_by_lower[found.contexts] + found.lower))
        of_word = found.probs * (np.log(found.lower) + new_log_weight - np.log(found.probs))
        of_others = np.where(left > 0, left * (new_log_weight - log_weight), 0.0)
    divergence: Float64Array = -np.exp(_log_probs_of_contexts(ngrams, order)) * (of_word + of_others)
    # A word of probability 0 is no loss.
    divergence[found.probs == 0] = 0.0
    divergence[np.isnan(divergence)] = np.inf
    return divergence


def _log_probs_of_contexts(ngrams: KeyedNgrams, order: int) -> Float64Array:
    """The log probability of the context of each n-gram as a text, (ngrams,).

    There are as many starts of sentences as ends, so a start has the probability of the unigram `</s>`.
    """
    contexts, _ = split_keys(ngrams.keys[order], ngrams.word_bits)
    total = np.zeros(len(contexts))
    for length in range(order - 1, 0, -1):
        total += ngrams.log_probs[length][contexts]
        if length > 1:
            contexts, _ = split_keys(ngrams.keys[length][contexts], ngrams.word_bits)
    return total


def _keep(ngrams: KeyedNgrams, order: int, kept: BoolArray) -> None:
    """Keep some n-grams of an order. Every context of the order above is among them."""
    ngrams.keys[order] = ngrams.keys[order][kept]
    ngrams.log_probs[order] = ngrams.log_probs[order][kept]
    if order in ngrams.backoffs:
        ngrams.backoffs[order] = ngrams.backoffs[order][kept]
    if order < ngrams.order:
        contexts, words = split_keys(ngrams.keys[order + 1], ngrams.word_bits)
        places = np.cumsum(kept) - 1
        ngrams.keys[order + 1] = make_keys(places[contexts], words, ngrams.word_bits)
