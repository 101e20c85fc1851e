import math

import numpy as np
import pytest
from plain_linear_rnn import plain_outputs

from lmctl.families.linearrnn.runtime import LinearRNNLanguageModel

CELLS = ["sru", "qrnn", "mingru"]


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def assert_same_state(state, expected):
    """The same bits."""
    np.testing.assert_array_equal(state.states, expected.states)
    np.testing.assert_array_equal(state.output, expected.output)
    assert len(state.inputs) == len(expected.inputs)
    for found, other in zip(state.inputs, expected.inputs, strict=True):
        np.testing.assert_array_equal(found, other)


def test_one_unit_follows_the_equations_of_the_sru(make_sizes):
    kernel, bias, embedding = [0.3, -0.2, 0.9], [0.05, 1.0, -0.1], [0.5, -1.5]
    model = LinearRNNLanguageModel(
        make_sizes(layers=1, embedding_dim=1, hidden_units=1, vocabulary_size=2),
        {
            "embedding": np.array(embedding, np.float32)[:, None],
            "linear.0.kernel": np.array([kernel], np.float32),
            "linear.0.bias": np.array(bias, np.float32),
            "softmax.embedding": np.array([[2.0], [-1.0]], np.float32),
            "softmax.bias": np.array([0.5, 0.0], np.float32),
        },
    )
    state = 0.0
    for token_id in (1, 0):
        x = embedding[token_id]
        forget, reset = sigmoid(-0.2 * x + 1.0), sigmoid(0.9 * x - 0.1)
        state = forget * state + (1 - forget) * (0.3 * x + 0.05)
        output = reset * state + (1 - reset) * x

    found = model.advance(model.null_state(1), np.array([[1], [0]]))

    assert found.states.item() == pytest.approx(state, abs=1e-6)
    assert found.output.item() == pytest.approx(output, abs=1e-6)
    # Of two words the first has the probability sigmoid(logit 0 - logit 1).
    assert model.log_probs(found)[0, 0] == pytest.approx(math.log(sigmoid(3.0 * output + 0.5)), abs=1e-6)


@pytest.mark.parametrize("shape", [{}, {"tied": True}, {"layers": 3, "embedding_dim": 5}])
@pytest.mark.parametrize("cell", CELLS)
def test_the_outputs_are_those_of_the_papers_equations(make_model, make_weights, cell, shape):
    """With and without a projection of the inputs; one context at a time in the reference."""
    model = make_model(cell=cell, **shape)
    weights = make_weights(model.sizes)
    token_ids = np.random.default_rng(1).integers(0, 9, (7, 3))

    features, state = model.advance_with_features(model.null_state(3), token_ids)

    for column in range(3):
        expected = plain_outputs(model.sizes, weights, token_ids[:, column].tolist())
        np.testing.assert_allclose(features[:, column], expected, atol=1e-5)
    np.testing.assert_array_equal(model.features(state), features[-1])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cut", [0, 1, 3, 7])
def test_a_text_read_in_two_parts_has_the_same_bits(make_model, cell, cut):
    model = make_model(cell=cell, layers=3)
    token_ids = np.random.default_rng(1).integers(0, 9, (7, 3))
    features, whole = model.advance_with_features(model.null_state(3), token_ids)

    first, state = model.advance_with_features(model.null_state(3), token_ids[:cut])
    second, end = model.advance_with_features(state, token_ids[cut:])

    assert_same_state(end, whole)
    np.testing.assert_array_equal(np.concatenate([first, second]), features)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_neither_scores_nor_states(make_model, cell):
    model = make_model(cell=cell, adaptive=True)
    generator = np.random.default_rng(2)
    inputs, targets = generator.integers(0, 9, (2, 6, 4))
    lengths = np.array([6, 1, 0, 4])
    start = model.advance(model.null_state(4), generator.integers(0, 9, (2, 4)))

    found, state = model.score(inputs, targets, lengths, start)

    for column, length in enumerate(lengths):
        alone = model.select_columns(start, np.array([column]))
        there = (slice(0, length), slice(column, column + 1))
        scores, end = model.score(inputs[there], targets[there], np.array([length]), alone)
        np.testing.assert_array_equal(found.log_probs[there], scores.log_probs)
        assert_same_state(model.select_columns(state, np.array([column])), end)


@pytest.mark.parametrize("cell", CELLS)
def test_joined_states_are_the_columns_side_by_side(make_model, cell):
    model = make_model(cell=cell)
    state = model.advance(model.null_state(3), np.random.default_rng(4).integers(0, 9, (4, 3)))

    parts = [model.select_columns(state, np.array(columns)) for columns in ([0], [1, 2])]

    assert_same_state(model.join(parts), state)


def test_a_state_keeps_what_its_forget_gate_keeps(make_sizes, make_weights):
    """With f = 1 nothing is added, so the state stays zero and the output of sru is (1 - r) x."""
    sizes = make_sizes(layers=1, tied=True)
    weights = make_weights(sizes)
    weights["linear.0.bias"][4:8] = 200.0
    model = LinearRNNLanguageModel(sizes, weights)

    features, state = model.advance_with_features(model.null_state(1), np.array([[2], [5]]))

    assert not state.states.any()
    vectors = weights["embedding"][[2, 5]]
    reset = 1 / (1 + np.exp(-(vectors @ weights["linear.0.kernel"] + weights["linear.0.bias"])[:, 8:]))
    np.testing.assert_allclose(features[:, 0], (1 - reset) * vectors, atol=1e-6)
