import math

import numpy as np
import pytest

from lmctl.families.base import LanguageModel
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.mixture.runtime import MixtureLanguageModel


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def assert_states_equal(state, expected, tolerance=1e-6):
    np.testing.assert_allclose(state.hidden, expected.hidden, atol=tolerance)
    np.testing.assert_allclose(state.cell, expected.cell, atol=tolerance)


def test_one_unit_follows_the_equations_of_the_lstm(make_sizes):
    # Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, gates in the order i, f, c, o.
    kernel, recurrent, bias = [0.3, -0.2, 0.9, 0.4], [0.1, 0.6, -0.7, 0.8], [0.05, 1.0, -0.1, 0.2]
    embedding = [0.5, -1.5]
    model = LSTMLanguageModel(
        make_sizes(layers=1, embedding_dim=1, hidden_units=1, vocabulary_size=2),
        {
            "embedding": np.array(embedding, np.float32)[:, None],
            "lstm.0.kernel": np.array([kernel], np.float32),
            "lstm.0.recurrent_kernel": np.array([recurrent], np.float32),
            "lstm.0.bias": np.array(bias, np.float32),
            "softmax.embedding": np.array([[2.0], [-1.0]], np.float32),
            "softmax.bias": np.array([0.5, 0.0], np.float32),
        },
    )
    hidden = cell = 0.0
    for token_id in (1, 0):
        i, f, c, o = (
            embedding[token_id] * kernel[gate] + hidden * recurrent[gate] + bias[gate] for gate in range(4)
        )
        cell = sigmoid(f) * cell + sigmoid(i) * math.tanh(c)
        hidden = sigmoid(o) * math.tanh(cell)

    state = model.advance(model.null_state(1), np.array([[1], [0]]))

    assert state.hidden.item() == pytest.approx(hidden, abs=1e-6)
    assert state.cell.item() == pytest.approx(cell, abs=1e-6)
    # Of two words the first has the probability sigmoid(logit 0 - logit 1).
    assert model.log_probs(state)[0, 0] == pytest.approx(math.log(sigmoid(2.0 * hidden + 0.5 + hidden)), abs=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reading_in_two_segments_is_reading_in_one(layers, tied, adaptive, make_model):
    model = make_model(layers=layers, tied=tied, adaptive=adaptive)
    token_ids = np.random.default_rng(1).integers(0, 9, (7, 3))

    whole = model.advance(model.null_state(3), token_ids)
    parts = model.advance(model.advance(model.null_state(3), token_ids[:4]), token_ids[4:])

    assert_states_equal(parts, whole)


@pytest.mark.parametrize("adaptive", [False, True])
def test_padding_changes_neither_scores_nor_states(adaptive, make_model):
    model = make_model(adaptive=adaptive)
    generator = np.random.default_rng(2)
    inputs, targets = generator.integers(0, 9, (2, 6, 4))
    lengths = np.array([6, 1, 0, 4])
    start = model.advance(model.null_state(4), generator.integers(0, 9, (2, 4)))

    found, state = model.score(inputs, targets, lengths, start, ranks=True)
    advanced = model.advance(start, inputs, lengths)

    for column, length in enumerate(lengths):
        alone = type(start)(start.hidden[:, [column]], start.cell[:, [column]])
        there = (slice(0, length), slice(column, column + 1))
        scores, end = model.score(inputs[there], targets[there], np.array([length]), alone, ranks=True)
        np.testing.assert_allclose(found.log_probs[there], scores.log_probs, atol=1e-6)
        np.testing.assert_array_equal(found.ranks[there], scores.ranks)
        assert not found.log_probs[length:, column].any()
        assert not found.ranks[length:, column].any()
        for ended in (state, advanced):
            assert_states_equal(type(start)(ended.hidden[:, [column]], ended.cell[:, [column]]), end)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("adaptive", [False, True])
def test_score_is_log_probs_of_each_target_after_the_inputs_up_to_it(adaptive, tied, make_model):
    model = make_model(adaptive=adaptive, tied=tied)
    inputs, targets = np.random.default_rng(3).integers(0, 9, (2, 5, 2))

    found, _ = model.score(inputs, targets, np.array([5, 5]), model.null_state(2))

    state = model.null_state(2)
    for step in range(5):
        state = model.advance(state, inputs[step : step + 1])
        expected = model.log_probs(state)[np.arange(2), targets[step]]
        np.testing.assert_allclose(found.log_probs[step], expected, atol=1e-5)
    assert found.ranks is None


@pytest.mark.parametrize("allowed", [None, np.arange(9) % 2 == 1, np.arange(9) > 5])
@pytest.mark.parametrize("k", [0, 1, 4, 9, 12])
def test_the_adaptive_top_k_is_that_of_all_log_probabilities(k, allowed, make_model):
    model = make_model(adaptive=True)
    state = model.advance(model.null_state(3), np.array([[2, 7, 8]]))

    found = model.top_k(state, k, allowed)

    ids, log_probs = LanguageModel.top_k(model, state, k, allowed)
    np.testing.assert_array_equal(found[0], ids)
    np.testing.assert_allclose(found[1], log_probs, atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_rank_one_is_the_word_that_top_k_answers_first(adaptive, make_model):
    model = make_model(adaptive=adaptive)
    inputs = np.array([[3], [5]])
    first, _ = model.top_k(model.advance(model.null_state(1), inputs), 1)

    found, _ = model.score(inputs, np.array([[0], [first[0, 0]]]), np.array([2]), model.null_state(1), ranks=True)

    assert found.ranks[1, 0] == 1


def test_a_state_is_never_changed_in_place(make_model):
    model = make_model()
    state = model.initial_state(2)
    hidden, cell = state.hidden.copy(), state.cell.copy()

    model.score(np.array([[2, 3]]), np.array([[3, 4]]), np.array([1, 1]), state)
    model.advance(state, np.array([[2, 3]]), np.array([1, 0]))

    np.testing.assert_array_equal(state.hidden, hidden)
    np.testing.assert_array_equal(state.cell, cell)


def test_reading_nothing_leaves_the_state_as_it_is(make_model):
    model = make_model()
    state = model.initial_state(2)

    after = model.advance(state, np.zeros((0, 2), dtype=np.int64))

    np.testing.assert_array_equal(after.hidden, state.hidden)
    np.testing.assert_array_equal(after.cell, state.cell)


def test_a_sentence_starts_from_zeros_advanced_by_the_sentence_end(make_model):
    model = make_model()

    assert not model.null_state(3).hidden.any()
    assert not model.null_state(3).cell.any()
    assert_states_equal(model.initial_state(3), model.advance(model.null_state(3), np.array([[1, 1, 1]])), 0.0)


def test_features_are_the_last_layers_outputs_one_row_a_context(make_model):
    model = make_model(layers=3)
    state = model.advance(model.null_state(5), np.array([[2, 3, 4, 5, 6]]))

    features = model.features(state)

    assert features.shape == (5, 4)
    np.testing.assert_array_equal(features, state.hidden[2])


@pytest.mark.parametrize("ranks", [False, True])
def test_scores_come_with_the_features_that_each_target_was_predicted_from(ranks, make_model):
    model = make_model(layers=2)
    inputs, targets = np.random.default_rng(6).integers(0, 9, (2, 5, 3))
    lengths = np.array([5, 0, 3])
    start = model.initial_state(3)

    found, end = model.score(inputs, targets, lengths, start, ranks=ranks, features=True)
    along, advanced = model.advance_with_features(start, inputs, lengths)

    for step in range(5):
        features = model.features(model.advance(start, inputs[: step + 1]))
        there = step < lengths
        np.testing.assert_allclose(found.features[step, there], features[there], atol=1e-6)
        np.testing.assert_array_equal(along[step, there], found.features[step, there])
    assert_states_equal(advanced, end, 0.0)
    without, _ = model.score(inputs, targets, lengths, start, ranks=ranks)
    np.testing.assert_array_equal(without.log_probs, found.log_probs)
    assert without.features is None


@pytest.mark.parametrize("adaptive", [False, True])
def test_log_probs_along_a_text_are_those_of_each_state_in_turn(adaptive, make_model):
    model = make_model(adaptive=adaptive)
    token_ids = np.random.default_rng(8).integers(0, 9, (5, 3))
    lengths = np.array([5, 0, 3])
    start = model.initial_state(3)

    found, end = model.advance_with_log_probs(start, token_ids, lengths)
    expected, state = LanguageModel.advance_with_log_probs(model, start, token_ids, lengths)

    there = np.arange(5)[:, None] < lengths
    np.testing.assert_allclose(found[there], expected[there], atol=1e-6)
    assert_states_equal(end, state)


def test_for_many_columns_no_product_is_made_row_by_row_in_a_mixture_or_under_a_cache_either(
    make_model, monkeypatch
):
    model = make_model(layers=2)
    token_ids = np.array([[1, 2, 3], [3, 1, 2]])
    monkeypatch.setattr("lmctl.layers.lstm.row_by_row", None)

    for each in (
        model,
        MixtureLanguageModel([model, model], [0.5, 0.5]),
        CachedLanguageModel(model, CacheParameters(weight=0.1, theta=1.0), 5),
    ):
        wide = each.for_many_columns()
        wide.advance(wide.null_state(3), token_ids)
        with pytest.raises(TypeError):
            each.advance(each.null_state(3), token_ids)
