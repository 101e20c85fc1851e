import math

import numpy as np
import pytest

from lmctl.layers import softmax
from lmctl.layers.softmax import FullSoftmax

LN_2 = math.log(2.0)


def random_softmax(vocabulary_size=50, units=4):
    generator = np.random.default_rng(3)
    embedding = generator.normal(size=(vocabulary_size, units)).astype(np.float32)
    bias = generator.normal(size=vocabulary_size).astype(np.float32)
    return FullSoftmax(embedding, bias), generator.normal(size=(7, units)).astype(np.float32)


def of_logits(*logits):
    """A softmax that has these logits for the hidden vector [1]."""
    return FullSoftmax(np.array(logits, dtype=np.float32)[:, None], np.zeros(len(logits), dtype=np.float32))


ONE = np.ones((1, 1), dtype=np.float32)


def test_each_row_sums_to_one_in_probability():
    layer, hidden = random_softmax()

    sums = np.exp(layer.log_probs(hidden).astype(np.float64)).sum(axis=1)

    np.testing.assert_allclose(sums, np.ones(7), atol=1e-6)


@pytest.mark.parametrize("vocabulary_size", [2, 50, 10_000])
def test_equal_logits_give_perplexity_equal_to_the_vocabulary_size(vocabulary_size):
    layer = of_logits(*[7.0] * vocabulary_size)

    log_probs, _ = layer.score(np.repeat(ONE, 3, axis=0), np.array([0, 1, vocabulary_size - 1]), ranks=False)

    np.testing.assert_allclose(layer.log_probs(ONE), -math.log(vocabulary_size), rtol=1e-6)
    assert np.exp(-log_probs.mean()) == pytest.approx(vocabulary_size)


def test_probabilities_are_the_exponentials_of_the_logits_over_their_sum():
    layer = of_logits(LN_2, 0.0, 0.0)

    np.testing.assert_allclose(np.exp(layer.log_probs(ONE)), [[0.5, 0.25, 0.25]], rtol=1e-6)


def test_the_bias_is_added_to_the_product_with_the_embedding():
    layer = FullSoftmax(np.array([[1.0, 2.0], [0.0, 0.0]], np.float32), np.array([LN_2, 4.0], np.float32))

    # Logits 0.5 * 1 + 1.75 * 2 + ln 2 = 4 + ln 2, and 4.
    np.testing.assert_allclose(
        np.exp(layer.log_probs(np.array([[0.5, 1.75]], np.float32))), [[2 / 3, 1 / 3]], rtol=1e-6
    )


def test_a_projection_stands_between_the_hidden_vector_and_the_embedding():
    layer = FullSoftmax(
        np.array([[2.0], [0.0]], np.float32),
        np.zeros(2, np.float32),
        np.array([[1.0], [-3.0]], np.float32),
    )

    # (5, 1) is projected to 5 - 3 = 2; the logits are 2 * 2 and 0.
    np.testing.assert_allclose(
        layer.log_probs(np.array([[5.0, 1.0]], np.float32)), [[0.0, -4.0]] - np.log(1 + np.exp(-4.0)), rtol=1e-5
    )


@pytest.mark.parametrize("huge", [1e4, 1e30, 3e38])
def test_huge_logits_stay_finite(huge):
    layer = of_logits(huge, 0.0)

    log_probs, _ = layer.score(np.repeat(ONE, 2, axis=0), np.array([0, 1]), ranks=False)

    np.testing.assert_allclose(log_probs, [0.0, -huge])
    np.testing.assert_allclose(layer.log_probs(ONE), [[0.0, -huge]])


def test_a_word_that_cannot_come_has_log_probability_minus_infinity_and_spoils_no_other():
    layer = FullSoftmax(np.zeros((3, 1), np.float32), np.array([0.0, 0.0, -np.inf], np.float32))

    np.testing.assert_allclose(layer.log_probs(ONE), [[-LN_2, -LN_2, -np.inf]], rtol=1e-6)


def test_score_is_log_probs_at_the_targets():
    layer, hidden = random_softmax()
    targets = np.array([0, 49, 3, 3, 17, 20, 1])

    log_probs, ranks = layer.score(hidden, targets, ranks=False)

    np.testing.assert_allclose(log_probs, layer.log_probs(hidden)[np.arange(7), targets], atol=1e-6)
    assert log_probs.dtype == np.float64
    assert ranks is None


@pytest.mark.parametrize(
    ("target", "rank"),
    [
        (0, 4),  # of the three words with logit 1, and the one above them
        (1, 1),
        (2, 4),
        (3, 4),
        (4, 5),
    ],
)
def test_rank_counts_ties_against_the_target(target, rank):
    layer = of_logits(1.0, 2.0, 1.0, 1.0, 0.0)

    _, ranks = layer.score(ONE, np.array([target]), ranks=True)

    assert ranks.tolist() == [rank]


@pytest.mark.parametrize("at_once", [1, 50, 99, 101])
def test_how_many_logits_are_held_at_once_changes_nothing(monkeypatch, at_once):
    layer, hidden = random_softmax()
    targets = np.array([0, 49, 3, 3, 17, 20, 1])
    whole = layer.score(hidden, targets, ranks=True)

    monkeypatch.setattr(softmax, "LOGITS_AT_ONCE", at_once)
    parts = layer.score(hidden, targets, ranks=True)

    np.testing.assert_allclose(parts[0], whole[0], atol=1e-6)
    np.testing.assert_array_equal(parts[1], whole[1])


def test_nothing_to_score_gives_nothing():
    layer, hidden = random_softmax()

    log_probs, ranks = layer.score(hidden[:0], np.zeros(0, dtype=np.int64), ranks=True)

    assert log_probs.shape == (0,)
    assert ranks.shape == (0,)


@pytest.mark.parametrize("allowed", [None, np.arange(50) % 3 == 0, np.zeros(50, dtype=bool)])
@pytest.mark.parametrize("k", [0, 1, 5, 60])
def test_the_top_k_are_the_first_of_a_stable_sort(k, allowed):
    layer, hidden = random_softmax()
    log_probs = layer.log_probs(hidden)
    candidates = np.arange(50) if allowed is None else np.flatnonzero(allowed)

    ids, best = layer.top_k(hidden, k, allowed)

    order = np.argsort(-log_probs[:, candidates], axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(ids, candidates[order])
    np.testing.assert_array_equal(best, np.take_along_axis(log_probs, ids, axis=1))
