import numpy as np
import pytest

from lmctl.runtime.lstm import LSTMLanguageModel, weight_shapes

SHAPES = [
    pytest.param({"layers": 1, "embedding_dim": 3, "hidden_units": 5}, id="1-layer"),
    pytest.param({"layers": 2, "embedding_dim": 6, "hidden_units": 4}, id="2-layers"),
    pytest.param({"layers": 3, "embedding_dim": 2, "hidden_units": 6}, id="3-layers"),
    pytest.param({"layers": 1, "embedding_dim": 5, "hidden_units": 5, "tied": True}, id="1-layer-tied"),
    pytest.param({"layers": 3, "embedding_dim": 4, "hidden_units": 4, "tied": True}, id="3-layers-tied"),
    pytest.param({"layers": 2, "embedding_dim": 3, "hidden_units": 5, "tied": True}, id="2-layers-projected"),
]


def take_random_weights(network, scale=0.7):
    generator = np.random.default_rng(4)
    weights = {
        name: generator.normal(scale=scale, size=shape).astype(np.float32)
        for name, shape in weight_shapes(network.sizes).items()
    }
    network.import_weights(weights)
    return weights


def log_softmax(logits):
    logits = np.asarray(logits, dtype=np.float64)
    largest = logits.max(axis=-1, keepdims=True)
    return logits - largest - np.log(np.exp(logits - largest).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_log_probabilities(make_network, shape):
    network = make_network(**shape)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    token_ids = np.random.default_rng(5).integers(0, 7, (9, 3))

    logits, end = network(token_ids, network.null_state(3))

    expected = log_softmax(logits)
    state = model.null_state(3)
    for step in range(9):
        state = model.advance(state, token_ids[step : step + 1])
        np.testing.assert_allclose(model.log_probs(state), expected[step], atol=1e-4)
    np.testing.assert_allclose(np.stack([state.hidden, state.cell], axis=1), end, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_scores_two_segments_as_the_network_does_one(make_network, shape):
    network = make_network(**shape)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    inputs, targets = np.random.default_rng(6).integers(0, 7, (2, 8, 2))

    whole, _ = network(inputs, network.null_state(2))
    _, carried = network(inputs[:5], network.null_state(2))
    second, _ = network(inputs[5:], carried)
    first_scores, state = model.score(inputs[:5], targets[:5], np.array([5, 5]), model.null_state(2))
    second_scores, _ = model.score(inputs[5:], targets[5:], np.array([3, 3]), state)

    np.testing.assert_allclose(second, whole[5:], atol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([first_scores.log_probs, second_scores.log_probs]),
        np.take_along_axis(log_softmax(whole), targets[..., None], axis=2)[..., 0],
        atol=1e-4,
    )


def test_a_column_that_is_padded_scores_as_the_network_scores_it_alone(make_network):
    network = make_network(layers=2)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    inputs, targets = np.random.default_rng(7).integers(0, 7, (2, 6, 3))
    lengths = np.array([6, 2, 4])

    found, _ = model.score(inputs, targets, lengths, model.null_state(3))

    for column, length in enumerate(lengths):
        logits, _ = network(inputs[:length, [column]], network.null_state(1))
        expected = log_softmax(logits)[np.arange(length), 0, targets[:length, column]]
        np.testing.assert_allclose(found.log_probs[:length, column], expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_exported_weights_are_float32_of_the_runtimes_names_and_shapes(make_network, shape):
    network = make_network(**shape)

    weights = network.export_weights()

    assert {name: weight.shape for name, weight in weights.items()} == weight_shapes(network.sizes)
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    assert sum(weight.size for weight in weights.values()) == network.count_params()


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_imported_weights_are_exported_unchanged(make_network, precision):
    network = make_network(layers=2, precision=precision)

    weights = take_random_weights(network)

    exported = network.export_weights()
    for name, weight in weights.items():
        np.testing.assert_array_equal(exported[name], weight)


def test_tied_the_output_embedding_is_the_input_embedding(make_network):
    network = make_network(tied=True, embedding_dim=4, hidden_units=4)
    before, _ = network(np.array([[2]]), network.null_state(1))

    # Word 5 is not read here: what changes is how probable it is, by the product with its new vector.
    table = network.embedding.embeddings.numpy()
    table[5] += 1.0
    network.embedding.embeddings.assign(table)
    after, state = network(np.array([[2]]), network.null_state(1))

    moved = (np.asarray(after) - np.asarray(before))[0, 0]
    assert moved[5] == pytest.approx(float(np.asarray(state)[0, 0, 0].sum()), abs=1e-6)
    np.testing.assert_allclose(np.delete(moved, 5), 0.0, atol=1e-7)


def test_tied_the_table_is_one_weight(make_network):
    tied = make_network(tied=True, embedding_dim=4, hidden_units=4)
    untied = make_network(embedding_dim=4, hidden_units=4)

    # Embedding, the layer's kernel, recurrent kernel and bias, the softmax's bias; untied, its embedding too.
    assert len({id(variable) for variable in tied.trainable_variables}) == len(tied.trainable_variables) == 5
    assert len(untied.trainable_variables) == 6


def test_the_null_state_is_zeros_for_output_and_cell_of_every_layer(make_network):
    state = np.asarray(make_network(layers=3).null_state(2))

    assert state.shape == (3, 2, 2, 4)
    assert not state.any()


def test_initial_weights_follow_from_the_seed_alone(make_network):
    first, again, other = (make_network(layers=2, seed=seed).export_weights() for seed in (3, 3, 4))

    for name, weight in first.items():
        assert weight.tobytes() == again[name].tobytes()
        if not name.endswith("bias"):
            assert weight.tobytes() != other[name].tobytes()


def test_the_largest_seed_that_can_be_configured_is_taken(make_network):
    weights = make_network(seed=2**31 - 1).export_weights()

    assert weights["embedding"].std() > 0.0


def test_no_two_initial_weights_are_the_same_draw(make_network):
    weights = make_network(layers=3, embedding_dim=4, hidden_units=4).export_weights()

    assert len({weights[f"lstm.{layer}.kernel"].tobytes() for layer in range(3)}) == 3
    assert len({weights[f"lstm.{layer}.recurrent_kernel"].tobytes() for layer in range(3)}) == 3
    assert weights["embedding"].tobytes() != weights["softmax.embedding"].tobytes()


def test_embeddings_start_uniformly_within_init_scale_and_biases_at_zero_but_for_the_forget_gates(make_network):
    weights = make_network(vocabulary_size=2000, init_scale=0.25).export_weights()

    for name in ("embedding", "softmax.embedding"):
        assert 0.24 < np.abs(weights[name]).max() <= 0.25
        assert weights[name].mean() == pytest.approx(0.0, abs=0.01)
        # A uniform distribution of width w has standard deviation w / sqrt(12).
        assert weights[name].std() == pytest.approx(0.5 / np.sqrt(12), abs=0.005)
    assert not weights["softmax.bias"].any()
    # Jozefowicz et al. 2015: a forget gate that starts open.
    assert weights["lstm.0.bias"].tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8


def test_dropout_masks_follow_from_the_seed_that_is_given(make_network):
    network = make_network(layers=2, hidden_units=32, dropout=0.5)
    inputs = np.array([[2, 3], [4, 5]])

    def logits(*dropout_seed):
        seed = np.array(dropout_seed) if dropout_seed else None
        return np.asarray(network(inputs, network.null_state(2), seed)[0])

    np.testing.assert_array_equal(logits(1, 5), logits(1, 5))
    assert np.abs(logits(1, 5) - logits(1, 6)).max() > 1e-4
    assert np.abs(logits(1, 5) - logits(2, 5)).max() > 1e-4
    assert np.abs(logits(1, 5) - logits()).max() > 1e-4


def test_without_dropout_a_seed_changes_nothing(make_network):
    network = make_network()
    inputs = np.array([[2, 3], [4, 5]])

    with_seed, _ = network(inputs, network.null_state(2), np.array([1, 5]))
    without, _ = network(inputs, network.null_state(2))

    np.testing.assert_array_equal(with_seed, without)


def test_dropped_units_are_zero_and_the_others_scaled_so_that_the_mean_stays(make_network):
    network = make_network(dropout=0.2)

    dropped = np.asarray(network._drop(np.ones((100, 100), np.float32), [1, 2], 0))

    # Each kept unit is 1 / (1 - 0.2); of 10,000 draws the share kept is 0.8 within 5 standard deviations, 0.02.
    assert set(np.unique(dropped).tolist()) == {0.0, 1.25}
    assert (dropped > 0).mean() == pytest.approx(0.8, abs=0.02)


def test_dropout_stands_at_places_of_its_own(make_network):
    network = make_network(dropout=0.5)
    ones = np.ones((20, 20), np.float32)

    masks = {np.asarray(network._drop(ones, [1, 2], place)).tobytes() for place in range(4)}

    assert len(masks) == 4


def test_dropout_leaves_the_recurrence_alone(make_network):
    # With one layer, masks on the outputs alone would leave the state at the end as it is; with masks on the
    # embedded inputs of zero, too (Zaremba, Sutskever & Vinyals 2014).
    network = make_network(dropout=0.9, init_scale=0.1)
    network.embedding.embeddings.assign(np.zeros((7, 3), np.float32))
    start = np.full((1, 2, 2, 4), 0.5, np.float32)

    _, dropped = network(np.array([[2, 3]] * 5), start, np.array([1, 2]))
    _, kept = network(np.array([[2, 3]] * 5), start)

    np.testing.assert_array_equal(dropped, kept)
