"""Back-off weights and entropies of three words and a few bigrams, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lmctl.families.ngram.entropy_pruning import divergences
from lmctl.families.ngram.keys import KeyedNgrams, make_keys, word_bits
from lmctl.families.ngram.renormalizing import renormalize


def bigrams(unigrams, listed):
    """N-grams with the probabilities of words, and of (context, word)."""
    contexts, words = np.array(list(listed)).T
    with np.errstate(divide="ignore"):
        log_probs = {1: np.log(unigrams), 2: np.log(list(listed.values()))}
    keys = {2: make_keys(contexts, words, word_bits(len(unigrams)))}
    return KeyedNgrams(len(unigrams), keys, log_probs, {})


def test_a_weight_is_what_is_left_divided_by_what_the_words_leave():
    # After word 1: (1 - 1/5) / (1 - 1/2). Nothing is after the others, so they leave everything.
    ngrams = bigrams([1 / 4, 1 / 4, 1 / 2], {(1, 2): 1 / 5})

    renormalize(ngrams)

    assert np.exp(ngrams.backoffs[1]) == pytest.approx([1, 1.6, 1])
    assert np.exp(ngrams.log_probs[2]) == pytest.approx([1 / 5])


def test_a_context_is_scaled_to_1_if_other_words_have_no_probability():
    # The words 1 and 2 have all the probability of unigrams. After word 2 they have 1/5 + 3/5.
    ngrams = bigrams([0, 1 / 2, 1 / 2], {(1, 2): 1 / 5, (2, 1): 1 / 5, (2, 2): 3 / 5})

    renormalize(ngrams)

    assert np.exp(ngrams.log_probs[2]) == pytest.approx([1 / 5, 1 / 4, 3 / 4])
    assert np.exp(ngrams.backoffs[1]) == pytest.approx([1, 1.6, 1])


def test_the_divergence_of_a_word_in_a_context_that_leaves_nothing():
    # Without (1, 1), the context 1 gives 1/4 to the word 1, and 1/4 to the word 0, with the weight 1. Stolcke
    # 1998, equation 3: p(1) p(1 | 1) ln(p(1 | 1) / p'(1 | 1)) = 1/4 x 1/2 x ln 2. In the same way, without (1, 2),
    # the weight is (1/2) / (1/4 + 1/2), so p'(2 | 1) is 1/3.
    ngrams = bigrams([1 / 4, 1 / 4, 1 / 2], {(1, 1): 1 / 2, (1, 2): 1 / 2})
    renormalize(ngrams)

    assert divergences(ngrams, 2) == pytest.approx([np.log(2) / 8, np.log(1.5) / 8])
