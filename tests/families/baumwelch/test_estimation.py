import tracemalloc
from dataclasses import astuple
from itertools import pairwise, product

import numpy as np
import pytest

from lmctl.corpus import id_stream
from lmctl.families.baumwelch import estimation
from lmctl.families.baumwelch.config import LEAST_ADDED, MOST_ADDED
from lmctl.families.baumwelch.estimation import Chain, chain_of, expected_counts, first_chain, fit
from lmctl.layers import word_classes

CHAIN = Chain(
    np.array([0.6, 0.4]), np.array([[0.7, 0.3], [0.2, 0.8]]), np.array([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]])
)


def counts_over_all_paths(words, chain):
    """Expected counts of one sequence, and its probability, summed over all paths of states."""
    start, transitions, emissions = np.zeros(2), np.zeros((2, 2)), np.zeros((2, 3))
    total = 0.0
    for path in product(range(2), repeat=len(words)):
        prob = chain.start[path[0]]
        for before, after in pairwise(path):
            prob *= chain.transitions[before, after]
        for state, word in zip(path, words, strict=True):
            prob *= chain.emissions[state, word]
        total += prob
        start[path[0]] += prob
        for before, after in pairwise(path):
            transitions[before, after] += prob
        for state, word in zip(path, words, strict=True):
            emissions[state, word] += prob
    return start / total, transitions / total, emissions / total, total


@pytest.mark.parametrize("words", [[0], [2, 2], [0, 1, 2, 1, 1, 0]])
def test_expected_counts_are_the_sums_over_all_paths(words):
    counts = expected_counts(np.array(words), CHAIN)

    start, transitions, emissions, total = counts_over_all_paths(words, CHAIN)
    np.testing.assert_allclose(counts.start, start, atol=1e-12)
    np.testing.assert_allclose(counts.transitions, transitions, atol=1e-12)
    np.testing.assert_allclose(counts.emissions, emissions, atol=1e-12)
    assert counts.nats == pytest.approx(-np.log(total))
    assert counts.tokens == len(words)


def test_a_long_text_is_counted_in_sequences(monkeypatch):
    monkeypatch.setattr(estimation, "SEQUENCE_TOKENS", 3)
    text = np.array([0, 1, 2, 2, 1, 0, 0, 2])

    counts = expected_counts(text, CHAIN)

    parts = [counts_over_all_paths(part, CHAIN) for part in ([0, 1, 2], [2, 1, 0], [0, 2])]
    np.testing.assert_allclose(counts.transitions, sum(part[1] for part in parts), atol=1e-12)
    np.testing.assert_allclose(counts.emissions, sum(part[2] for part in parts), atol=1e-12)
    assert counts.nats == pytest.approx(-sum(np.log(part[3]) for part in parts))


def test_an_iteration_is_that_of_hmmlearn():
    # hmmlearn 0.3.3, CategoricalHMM(2, n_iter=1, implementation="scaling", init_params="") from CHAIN, fitted to
    # this sequence: its startprob_, transmat_ and emissionprob_.
    chain = chain_of(expected_counts(np.array([0, 2, 1, 1, 0, 2, 2, 2, 0, 1]), CHAIN), 1e-300)

    np.testing.assert_allclose(chain.start, [0.8089225, 0.1910775], atol=1e-6)
    np.testing.assert_allclose(chain.transitions, [[0.6112268, 0.3887732], [0.2777478, 0.7222522]], atol=1e-6)
    np.testing.assert_allclose(
        chain.emissions, [[0.4653499, 0.4192794, 0.1153707], [0.1572199, 0.1970018, 0.6457783]], atol=1e-6
    )


def test_the_first_chain_takes_memory_for_a_part_of_the_text(monkeypatch):
    text = np.random.default_rng(4).integers(0, 40, 100_000).astype(np.uint16)
    monkeypatch.setattr(word_classes, "MOST_TOKENS", 500)
    whole = first_chain(text, 40, 8, 0.01)
    for module, name in ((id_stream, "IDS_AT_ONCE"), (estimation, "PAIRS_AT_ONCE")):
        monkeypatch.setattr(module, name, 999)

    tracemalloc.start()
    chain = first_chain(text, 40, 8, 0.01)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    for found, expected in zip(astuple(chain), astuple(whole), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert peak < 8 * len(text) / 2


def test_no_iteration_makes_the_text_less_probable():
    text = np.random.default_rng(1).integers(0, 20, 2000)
    chain, before = first_chain(text, 20, 4, 0.01), np.inf

    for _ in range(8):
        counts = expected_counts(text, chain)
        assert counts.nats < before
        before, chain = counts.nats, chain_of(counts, 1e-300)


def test_a_text_of_two_kinds_of_words_is_told_apart():
    # Words 1 to 4 and 5 to 8 take turns.
    generator = np.random.default_rng(2)
    text = np.stack([generator.integers(1, 5, 500), generator.integers(5, 9, 500)], axis=1).ravel()

    chain = fit(text, 9, states=2, iterations=10, added=1e-6)

    perplexity = np.exp(expected_counts(text, chain).nats / len(text))
    # If the class is known, each word is one of four.
    assert perplexity == pytest.approx(4.0, rel=0.01)


def test_unseen_words_and_transitions_are_possible():
    chain = fit(np.array([1, 2, 1, 2, 1, 0]), 5, states=2, iterations=3, added=0.01)

    assert (chain.emissions[:, 3:] > 0).all()
    np.testing.assert_allclose(chain.emissions.sum(axis=1), 1.0)


@pytest.mark.parametrize("added", [LEAST_ADDED, MOST_ADDED])
def test_within_the_bounds_of_the_configuration_everything_is_possible(added):
    # The words 0, 6 and 7 do not occur.
    chain = fit(np.tile([1, 2, 3, 4, 5], 60), 8, states=2, iterations=5, added=added)

    for probs in (chain.start, chain.transitions, chain.emissions):
        assert (probs > 0).all()
        np.testing.assert_allclose(probs.sum(axis=-1), 1.0)
    if added == MOST_ADDED:
        np.testing.assert_allclose(chain.emissions, 1 / 8)
