import math

import numpy as np
import pytest

from lmctl.log10 import natural_of
from lmctl.query.sentence_scores import SentenceScore
from lmctl.query.toolkits import KenLMTally, log10_probs, ngram_lengths


def scored(terms, token_ids, lengths):
    """A sentence whose terms have these log10, (N, tokens)."""
    natural = natural_of(terms)
    return SentenceScore(
        ["a"] * (len(token_ids) - 1),
        token_ids,
        natural.astype(np.float64).sum(axis=0),
        None,
        1,
        ngram_lengths=np.array(lengths),
        ngram_terms=natural,
    )


# A bigram that was found; a unigram after a back-off of -0.3; one of probability 0 after -0.2; an OOV.
SCORE = scored([[-0.1, -0.5, -99, -1.2], [0, -0.3, -0.2, 0]], [2, 3, 4, 0], [2, 1, 1, 1])


def test_log10_is_added_up_in_float32():
    # -1.4000001 is what KenLM's query prints for -1.2 and a back-off of -0.2: the sum of two float32.
    score = scored([[-1.2], [-0.2]], [0], [1])

    assert log10_probs(score, zero=-99.0).tolist() == [float(np.float32(-1.2) + np.float32(-0.2))]
    assert np.format_float_positional(log10_probs(score, zero=-99.0)[0], unique=True) == "-1.4000001"


def test_a_probability_of_zero_is_printed_as_by_each_program():
    assert log10_probs(SCORE, zero=-99.0).tolist() == pytest.approx([-0.1, -0.8, -99.2, -1.2], abs=1e-5)
    assert log10_probs(SCORE, zero=-math.inf).tolist()[2] == -math.inf
    assert ngram_lengths(SCORE) == [2, 1, 1, 1]


def test_a_networks_log_probabilities_are_only_turned_into_log10():
    score = SentenceScore(["a"], [2, 1], np.log([0.1, 0.01]), None, 2)

    assert log10_probs(score, zero=-99.0).tolist() == pytest.approx([-1.0, -2.0])
    assert list(ngram_lengths(score)) == [2, 3]


def test_figures_are_those_of_kenlms_query():
    # lm/ngram_query.hh: 10^-(total / tokens), with the terms and the number of OOVs left out of the second.
    tally = KenLMTally()

    totals = [tally.add(log10_probs(score, zero=-99.0), score) for score in (SCORE, scored([[-1.0]], [1], [1]))]

    assert totals == pytest.approx([-101.3, -1.0])
    assert tally.perplexity() == pytest.approx(10 ** (102.3 / 5), rel=1e-5)
    assert tally.perplexity_excluding_oov() == pytest.approx(10 ** (101.1 / 4), rel=1e-5)


def test_a_perplexity_that_no_float_holds_is_infinite():
    score = SentenceScore([], [1], np.array([-800.0]), None, 1)
    tally = KenLMTally()

    tally.add(log10_probs(score, zero=-99.0), score)

    assert tally.perplexity() == math.inf
