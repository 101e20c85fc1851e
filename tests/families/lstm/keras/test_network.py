import numpy as np
import pytest
from random_networks import drawn

from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.weights import weight_shapes

SHAPES = [
    pytest.param({"layers": 1, "embedding_dim": 3, "hidden_units": 5}, id="1-layer"),
    pytest.param({"layers": 2, "embedding_dim": 6, "hidden_units": 4}, id="2-layers"),
    pytest.param({"layers": 3, "embedding_dim": 4, "hidden_units": 4, "tied": True}, id="3-layers-tied"),
    pytest.param({"layers": 2, "embedding_dim": 3, "hidden_units": 5, "tied": True}, id="2-layers-projected"),
    pytest.param({"layers": 1, "embedding_dim": 3, "hidden_units": 5, "adaptive": True}, id="adaptive"),
    pytest.param(
        {"layers": 2, "embedding_dim": 4, "hidden_units": 4, "tied": True, "adaptive": True}, id="adaptive-tied"
    ),
    pytest.param(
        {"layers": 1, "embedding_dim": 6, "hidden_units": 4, "tied": True, "adaptive": True},
        id="adaptive-projected",
    ),
]


def take_random_weights(network, scale=0.7):
    weights = drawn(weight_shapes(network.sizes), seed=4, scale=scale)
    network.import_weights(weights)
    return weights


def random_ids(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 7, shape, dtype=np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_log_probabilities(make_network, shape):
    network = make_network(**shape)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    token_ids = random_ids(9, 3)

    expected = np.asarray(network.log_probs(token_ids, network.null_state(3)))

    state = model.null_state(3)
    for step in range(9):
        state = model.advance(state, token_ids[step : step + 1])
        np.testing.assert_allclose(model.log_probs(state), expected[step], atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_state(make_network, shape):
    network = make_network(**shape)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    token_ids = random_ids(9, 3)

    _, end = network(token_ids, network.null_state(3))

    state = model.advance(model.null_state(3), token_ids)
    np.testing.assert_allclose(np.stack([state.hidden, state.cell], axis=1), end, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_scores_two_segments_as_the_network_does_one(make_network, shape):
    network = make_network(**shape)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    inputs, targets = random_ids(2, 8, 2)

    hidden, _ = network(inputs, network.null_state(2))
    nats = network.softmax.cross_entropy(
        np.asarray(hidden).reshape(16, network.sizes.hidden_units), targets.reshape(16)
    )
    first, state = model.score(inputs[:5], targets[:5], np.array([5, 5]), model.null_state(2))
    second, _ = model.score(inputs[5:], targets[5:], np.array([3, 3]), state)

    found = np.concatenate([first.log_probs, second.log_probs])
    np.testing.assert_allclose(found, -np.asarray(nats).reshape(8, 2), atol=1e-4)


def test_a_segment_continues_from_the_state_before_it(make_network):
    network = make_network(layers=2)
    take_random_weights(network)
    inputs = random_ids(8, 2)

    whole, _ = network(inputs, network.null_state(2))
    _, carried = network(inputs[:5], network.null_state(2))
    second, _ = network(inputs[5:], carried)

    np.testing.assert_allclose(second, whole[5:], atol=1e-5)


def test_a_column_that_is_padded_scores_as_the_network_scores_it_alone(make_network):
    network = make_network(layers=2)
    model = LSTMLanguageModel(network.sizes, take_random_weights(network))
    inputs, targets = random_ids(2, 6, 3)
    lengths = np.array([6, 2, 4])

    found, _ = model.score(inputs, targets, lengths, model.null_state(3))

    for column, length in enumerate(lengths):
        log_probs = np.asarray(network.log_probs(inputs[:length, [column]], network.null_state(1)))
        expected = log_probs[np.arange(length), 0, targets[:length, column]]
        np.testing.assert_allclose(found.log_probs[:length, column], expected, atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_both_recurrences_give_the_same_outputs_and_state(make_network, layers, training):
    networks = [make_network(layers=layers, outputs=0.3, recurrence=each) for each in ("scan", "keras")]
    inputs, seed = random_ids(6, 2), np.array([1, 2], np.int32) if training else None

    for network in networks:
        take_random_weights(network)
    (scanned, scanned_end), (outputs, end) = (network(inputs, network.null_state(2), seed) for network in networks)

    np.testing.assert_allclose(scanned, outputs, atol=1e-5)
    np.testing.assert_allclose(scanned_end, end, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradients_of_the_loss_are_those_of_automatic_differentiation(make_network, shape):
    import tensorflow as tf

    fast, plain = make_network(**shape), make_network(**shape, recurrence="keras")
    inputs, targets = random_ids(2, 5, 2)

    def of_cross_entropy(network):
        hidden, _ = network(inputs, network.null_state(2))
        flat = tf.reshape(hidden, (-1, network.sizes.hidden_units))
        return tf.reduce_sum(network.softmax.cross_entropy(flat, targets.reshape(-1)))

    def of_log_probs(network):
        log_probs = network.log_probs(inputs, network.null_state(2))
        return -tf.reduce_sum(tf.gather(log_probs, targets, batch_dims=2))

    gradients = []
    for network, loss_of in ((fast, of_cross_entropy), (plain, of_log_probs)):
        take_random_weights(network)
        with tf.GradientTape() as tape:
            loss = loss_of(network)
        gradients.append(tape.gradient(loss, network.named_weights()))

    for name, expected in gradients[1].items():
        found = tf.convert_to_tensor(gradients[0][name])
        np.testing.assert_allclose(found, tf.convert_to_tensor(expected), atol=2e-5, err_msg=name)


def test_mixed_precision_gives_float32_outputs_near_those_of_float32(make_network):
    exact, rounded = make_network(layers=2), make_network(layers=2, precision="mixed_bfloat16")
    take_random_weights(exact)
    take_random_weights(rounded)
    inputs = random_ids(6, 2)

    expected, _ = exact(inputs, exact.null_state(2))
    outputs, end = rounded(inputs, rounded.null_state(2))

    assert np.asarray(outputs).dtype == np.asarray(end).dtype == np.float32
    np.testing.assert_allclose(outputs, expected, atol=0.03)


@pytest.mark.parametrize("shape", SHAPES)
def test_exported_weights_are_float32_of_the_runtimes_names_and_shapes(make_network, shape):
    network = make_network(**shape)

    weights = network.export_weights()

    assert {name: weight.shape for name, weight in weights.items()} == weight_shapes(network.sizes)
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_that_is_trained_is_exported(make_network, shape):
    network = make_network(**shape)

    named = {id(variable) for variable in network.named_weights().values()}

    assert named == {id(variable.value) for variable in network.trainable_variables}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("adaptive", [False, True])
def test_imported_weights_are_exported_unchanged(make_network, precision, adaptive):
    network = make_network(layers=2, precision=precision, adaptive=adaptive)

    weights = take_random_weights(network)

    exported = network.export_weights()
    for name, weight in weights.items():
        np.testing.assert_array_equal(exported[name], weight)


def test_tied_the_output_embedding_is_the_input_embedding(make_network):
    network = make_network(tied=True, embedding_dim=4, hidden_units=4)
    hidden, _ = network(np.array([[2]], np.int32), network.null_state(1))
    before = network.softmax(hidden[0])

    # Word 5 is not in the input. Its new vector changes only its probability.
    weights = {name: weight.copy() for name, weight in network.export_weights().items()}
    weights["embedding"][5] += 1.0
    network.import_weights(weights)
    after = network.softmax(hidden[0])

    # The normalisation cancels in the difference of two log probabilities.
    moved = (np.asarray(after) - np.asarray(before))[0]
    assert moved[5] - moved[0] == pytest.approx(float(np.asarray(hidden).sum()), abs=1e-6)
    np.testing.assert_allclose(np.delete(moved, 5), moved[0], atol=1e-6)


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


@pytest.mark.parametrize("adaptive", [False, True])
def test_initial_weights_follow_from_the_seed_alone(make_network, adaptive):
    first, again, other = (
        make_network(layers=2, adaptive=adaptive, seed=seed).export_weights() for seed in (3, 3, 4)
    )

    for name, weight in first.items():
        assert weight.tobytes() == again[name].tobytes()
        if not name.endswith("bias"):
            assert weight.tobytes() != other[name].tobytes()


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_largest_seed_that_can_be_configured_is_taken(make_network, adaptive):
    weights = make_network(seed=2**31 - 1, adaptive=adaptive, tied=True).export_weights()

    assert weights["embedding.0" if adaptive else "embedding"].std() > 0.0


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


def test_an_adaptive_softmax_starts_with_vectors_within_init_scale_and_no_bias(make_network):
    weights = make_network(vocabulary_size=2000, init_scale=0.25, adaptive=True).export_weights()

    for name in ("softmax.embedding.0", "softmax.embedding.1", "softmax.embedding.2", "softmax.clusters"):
        assert 0.0 < np.abs(weights[name]).max() <= 0.25
    assert not weights["softmax.clusters.bias"].any()
