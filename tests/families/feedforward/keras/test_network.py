import numpy as np
import pytest

from lmctl.families.feedforward.config import FeedForwardConfig
from lmctl.families.feedforward.runtime import FeedForwardLanguageModel
from lmctl.families.feedforward.weights import weight_shapes

SHAPES = [
    pytest.param({}, id="full"),
    pytest.param({"direct": False}, id="without-direct"),
    pytest.param({"order": 2}, id="bigram"),
    pytest.param({"order": 6, "tied": True}, id="tied-projected"),
    pytest.param({"adaptive": True}, id="adaptive"),
    pytest.param({"order": 4, "tied": True, "adaptive": True, "embedding_dim": 4}, id="adaptive-tied"),
]
SEED = np.array([1, 5], np.int32)


def random_ids(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 9, shape, dtype=np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_features_log_probabilities_and_state(make_network, make_weights, shape):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    model = FeedForwardLanguageModel(network.sizes, weights)
    token_ids = random_ids(9, 3)

    hidden, end = network(token_ids, network.null_state(3))
    log_probs = network.log_probs(token_ids, network.null_state(3))

    features, state = model.advance_with_features(model.null_state(3), token_ids)
    np.testing.assert_allclose(features, hidden, atol=1e-5)
    np.testing.assert_array_equal(state, end)
    found, _ = model.advance_with_log_probs(model.null_state(3), token_ids)
    np.testing.assert_allclose(found, log_probs, atol=1e-4)


@pytest.mark.parametrize("cut", [1, 2, 5, 8])
def test_a_segment_continues_the_segment_before_it(make_network, make_weights, cut):
    network = make_network(order=5)
    network.import_weights(make_weights(network.sizes))
    token_ids = random_ids(9, 3)

    whole, end = network(token_ids, network.null_state(3))
    first, carried = network(token_ids[:cut], network.null_state(3))
    second, end_of_second = network(token_ids[cut:], carried)

    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-6)
    np.testing.assert_array_equal(end_of_second, end)


def test_a_column_that_restarts_begins_with_padding(make_network):
    network = make_network(order=4)
    _, state = network(random_ids(6, 3), network.null_state(3))

    restarted = np.asarray(network.restarted(state, np.array([True, False, True])))

    assert restarted[:, [0, 2]].tolist() == [[9, 9]] * 3
    np.testing.assert_array_equal(restarted[:, 1], np.asarray(state)[:, 1])
    assert np.asarray(network.null_state(2)).tolist() == [[9, 9]] * 3


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_that_is_trained_is_exported_by_the_runtimes_names_and_shapes(make_network, shape):
    network = make_network(**shape)

    weights = network.export_weights()

    assert {name: weight.shape for name, weight in weights.items()} == weight_shapes(network.sizes)
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    named = {id(variable) for variable in network.named_weights().values()}
    assert named == {id(variable.value) for variable in network.trainable_variables}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_has_a_gradient_at_the_start_of_a_text(make_network, make_weights, shape):
    import tensorflow as tf

    network = make_network(**shape)
    network.import_weights(make_weights(network.sizes))
    inputs, targets = random_ids(2, 8, 20)

    with tf.GradientTape() as tape:
        nats, _ = network.cross_entropy(inputs, tf.constant(targets), network.null_state(20), None)
        loss = tf.reduce_mean(nats)
    gradients = tape.gradient(loss, network.named_weights())

    for name, gradient in gradients.items():
        # The context of a bigram is never padding: a word stands before every prediction.
        expected = name != "padding" or network.sizes.order > 2
        assert bool(np.abs(tf.convert_to_tensor(gradient)).max() > 0) == expected, name


def test_initial_weights_follow_from_the_seed_alone(make_network):
    first, again, other = (make_network(seed=seed).export_weights() for seed in (3, 3, 4))

    for name, weight in first.items():
        assert weight.tobytes() == again[name].tobytes()
        assert (weight.tobytes() != other[name].tobytes()) == (not name.endswith("bias")), name
    assert first["hidden.kernel"].tobytes() != first["direct.kernel"].tobytes()


def test_mixed_precision_gives_float32_outputs_near_those_of_float32(make_network, make_weights):
    exact, rounded = make_network(), make_network(precision="mixed_bfloat16")
    for network in (exact, rounded):
        network.import_weights(make_weights(network.sizes))
    inputs = random_ids(6, 2)

    (expected, _), (outputs, _) = (network(inputs, network.null_state(2)) for network in (exact, rounded))

    assert np.asarray(outputs).dtype == np.float32
    np.testing.assert_allclose(outputs, expected, atol=0.05)
    assert np.abs(np.asarray(outputs) - np.asarray(expected)).max() > 0


def outputs_of(network, inputs, seed=SEED):
    return np.asarray(network(inputs, network.null_state(inputs.shape[1]), seed)[0])


@pytest.mark.parametrize("kind", ["words", "inputs", "outputs"])
def test_masks_follow_from_the_seed_that_is_given(make_network, kind):
    network = make_network(hidden_units=32, embedding_dim=32, init_scale=1.0, **{kind: 0.5})
    inputs = random_ids(6, 4)

    np.testing.assert_array_equal(outputs_of(network, inputs), outputs_of(network, inputs))
    other = outputs_of(network, inputs, np.array([1, 6], np.int32))
    assert np.abs(outputs_of(network, inputs) - other).max() > 1e-4
    np.testing.assert_array_equal(
        outputs_of(network, inputs, None),
        outputs_of(make_network(hidden_units=32, embedding_dim=32, init_scale=1.0), inputs, None),
    )


def test_outputs_that_are_left_out_are_zero_and_the_others_scaled_up(make_network):
    network = make_network(hidden_units=32, outputs=0.2)
    inputs = random_ids(6, 4)

    found, whole = outputs_of(network, inputs), outputs_of(network, inputs, None)

    kept = found != 0.0
    np.testing.assert_allclose(found[kept], whole[kept] / 0.8, atol=1e-6)
    # Of 768 draws the share kept is 0.8 within 5 standard deviations of 0.0144.
    assert kept.mean() == pytest.approx(0.8, abs=0.075)


def test_an_element_of_a_word_is_left_out_in_all_contexts_that_the_word_is_in(make_network):
    network = make_network(order=3, embedding_dim=32, hidden_units=32, init_scale=1.0, inputs=0.5)
    weights = {name: weight.copy() for name, weight in network.export_weights().items()}
    weights["hidden.kernel"] *= 0.0
    nothing, vector = np.zeros((32, 32), np.float32), np.eye(32, dtype=np.float32)
    inputs = random_ids(6, 4)

    def words_at(*parts):
        network.import_weights(weights | {"direct.kernel": np.concatenate(parts)})
        return outputs_of(network, inputs)

    older, newer = words_at(vector, nothing), words_at(nothing, vector)

    np.testing.assert_array_equal(older[1:], newer[:-1])
    assert (newer == 0.0).mean() == pytest.approx(0.5, abs=0.1)


def test_the_dropout_rates_are_those_of_the_configuration(cpu):
    from lmctl.families.feedforward.keras.network import Dropout

    model = FeedForwardConfig(word_dropout=0.1, input_dropout=0.2, dropout=0.3)

    assert Dropout.of(model) == Dropout(words=0.1, inputs=0.2, outputs=0.3)
