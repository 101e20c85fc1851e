import math

import numpy as np
import pytest

from lmctl.families import base
from lmctl.families.mixture.runtime import MixtureLanguageModel

LENGTHS = np.array([6, 0, 4])


@pytest.fixture
def members(make_bigram, make_lstm):
    return [make_bigram(1), make_lstm(2), make_lstm(3, hidden_units=5)]


@pytest.fixture
def mixture(members):
    return MixtureLanguageModel(members, [0.5, 0.2, 0.3])


def draw_text(seed=4):
    """Inputs and targets, (6, 3) each."""
    return np.random.default_rng(seed).integers(0, 9, (2, 6, 3))


def test_probabilities_are_the_weighted_means_of_the_members(make_bigram):
    mixture = MixtureLanguageModel(
        [make_bigram([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), make_bigram([[0.1, 0.1, 0.8], [0.0, 0.0, 1.0]])],
        [0.75, 0.25],
    )
    # 3/4 * 1/2 + 1/4 * 1/10 = 0.4, and so on; in row 1 the word 1 is impossible for both.
    expected = [[0.4, 0.2125, 0.3875], [0.75, 0.0, 0.25]]
    state = mixture.advance(mixture.null_state(2), np.array([[0, 1]]))

    np.testing.assert_allclose(np.exp(mixture.log_probs(state)), expected, atol=1e-7)
    found, _ = mixture.score(np.array([[0, 1]]), np.array([[2, 1]]), np.array([1, 1]), mixture.null_state(2))
    np.testing.assert_allclose(found.log_probs, [[math.log(0.3875), -math.inf]])


def test_the_best_word_of_a_mixture_need_not_be_the_best_of_any_member(make_bigram):
    mixture = MixtureLanguageModel(
        [make_bigram([[0.50, 0.45, 0.05, 0.0]] * 4), make_bigram([[0.0, 0.45, 0.05, 0.50]] * 4)], [0.5, 0.5]
    )

    token_ids, log_probs = mixture.top_k(mixture.null_state(1), 3)

    # Two words have 1/4 each; the smaller id comes first.
    assert token_ids.tolist() == [[1, 0, 3]]
    np.testing.assert_allclose(np.exp(log_probs), [[0.45, 0.25, 0.25]], rtol=1e-6)


# exp(-200) underflows in float32, exp(-740) is a float64 with few digits, and exp(-2000) underflows.
@pytest.mark.parametrize("log_prob", [-200.0, -740.0, -2000.0])
def test_probabilities_too_small_for_a_float_are_mixed_all_the_same(make_bigram, log_prob):
    tiny = make_bigram([[1.0, 0.0]] * 2)
    tiny.table[:, 1] = log_prob
    mixture = MixtureLanguageModel([tiny, tiny], [0.5, 0.5])

    assert mixture.log_probs(mixture.null_state(1))[0, 1] == pytest.approx(log_prob)


def test_a_member_of_weight_one_answers_alone(members):
    mixture = MixtureLanguageModel(members, [0.0, 1.0, 0.0])
    token_ids = draw_text()[0]

    found = mixture.log_probs(mixture.advance(mixture.null_state(3), token_ids))

    expected = members[1].log_probs(members[1].advance(members[1].null_state(3), token_ids))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("ranks", [False, True])
def test_scores_are_the_logarithms_of_weighted_means_along_the_text(mixture, members, ranks):
    inputs, targets = draw_text()
    found, end = mixture.score(inputs, targets, LENGTHS, mixture.initial_state(3), ranks=ranks)

    states = [member.initial_state(3) for member in members]
    for step in range(6):
        here = inputs[step : step + 1]
        states = [member.advance(state, here) for member, state in zip(members, states, strict=True)]
        of_members = [np.exp(member.log_probs(state)) for member, state in zip(members, states, strict=True)]
        probs = np.tensordot(mixture.weights, of_members, axes=1)
        np.testing.assert_allclose(probs.sum(axis=1), 1.0, atol=1e-6)
        for column in np.flatnonzero(step < LENGTHS):
            of_target = probs[column, targets[step, column]]
            assert found.log_probs[step, column] == pytest.approx(math.log(of_target), abs=1e-6)
            if ranks:
                assert found.ranks[step, column] == np.count_nonzero(probs[column] >= of_target)
    assert not found.log_probs[np.arange(6)[:, None] >= LENGTHS].any()
    after = mixture.advance(mixture.initial_state(3), inputs, LENGTHS)
    np.testing.assert_allclose(mixture.log_probs(end), mixture.log_probs(after), atol=1e-6)


@pytest.mark.parametrize("at_once", [1, 60])
def test_ranks_do_not_depend_on_how_much_is_looked_at_in_one_go(mixture, monkeypatch, at_once):
    inputs, targets = draw_text()
    whole, _ = mixture.score(inputs, targets, LENGTHS, mixture.null_state(3), ranks=True)
    without_ranks, _ = mixture.score(inputs, targets, LENGTHS, mixture.null_state(3))

    monkeypatch.setattr(base, "DISTRIBUTIONS_AT_ONCE", at_once)
    parts, _ = mixture.score(inputs, targets, LENGTHS, mixture.null_state(3), ranks=True)

    np.testing.assert_array_equal(parts.ranks, whole.ranks)
    np.testing.assert_allclose(parts.log_probs, whole.log_probs, atol=1e-6)
    np.testing.assert_allclose(parts.log_probs, without_ranks.log_probs, atol=1e-6)


@pytest.mark.parametrize("ranks", [False, True])
def test_features_are_those_of_the_first_member_that_has_any(mixture, members, ranks):
    inputs, targets = draw_text()

    found, end = mixture.score(inputs, targets, LENGTHS, mixture.null_state(3), ranks=ranks, features=True)
    along, advanced = mixture.advance_with_features(mixture.null_state(3), inputs, LENGTHS)

    expected, _ = members[1].advance_with_features(members[1].null_state(3), inputs, LENGTHS)
    there = np.arange(6)[:, None] < LENGTHS
    np.testing.assert_allclose(found.features[there], expected[there], atol=1e-6)
    np.testing.assert_allclose(along[there], expected[there], atol=1e-6)
    assert mixture.has_features
    for state in (end, advanced):
        np.testing.assert_allclose(mixture.features(state)[0], expected[5, 0], atol=1e-6)
        np.testing.assert_allclose(mixture.features(state)[2], expected[3, 2], atol=1e-6)
        np.testing.assert_array_equal(state[0], [inputs[5, 0], 0, inputs[3, 2]])


def test_a_mixture_of_families_without_features_has_none(make_bigram):
    mixture = MixtureLanguageModel([make_bigram(1), make_bigram(2)], [0.5, 0.5])

    assert not mixture.has_features
    with pytest.raises(NotImplementedError, match="has no features"):
        mixture.features(mixture.null_state(1))


def test_the_vectors_of_sentences_are_those_of_the_first_member_with_features(mixture, members):
    token_ids, _ = draw_text()

    found = mixture.sentence_vectors(token_ids, LENGTHS)

    np.testing.assert_array_equal(found, members[1].sentence_vectors(token_ids, LENGTHS))
