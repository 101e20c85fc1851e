import math

import numpy as np
import pytest

from lmctl.families.transformer.runtime import TransformerLanguageModel
from lmctl.families.transformer.weights import weight_shapes
from lmctl.layers.transformer_layer import NORM_EPSILON

SHAPES = [
    pytest.param({}, id="alibi"),
    pytest.param({"positions": "rotary"}, id="rotary"),
    pytest.param({"context": 1}, id="context-1"),
    pytest.param({"context": 50, "positions": "rotary"}, id="context-50"),
    pytest.param({"layers": 3, "heads": 4, "tied": False, "adaptive": True}, id="untied-adaptive"),
    pytest.param({"heads": 1, "adaptive": True}, id="tied-adaptive"),
]


def random_ids(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 9, shape, dtype=np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_segments_with_carried_keys_are_attention_over_the_whole_text(
    make_network, make_weights, hidden_of_whole_text, shape
):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    inputs = random_ids(19, 2)

    state, found = network.null_state(2), []
    for segment in np.split(inputs, [2, 8, 14]):
        hidden, state = network(segment, state)
        found.append(hidden)

    for column in range(2):
        expected = hidden_of_whole_text(network.sizes, weights, inputs[:, column].tolist())
        np.testing.assert_allclose(np.concatenate(found)[:, column], expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_log_probabilities(make_network, make_weights, shape):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    model = TransformerLanguageModel(network.sizes, weights)
    token_ids = random_ids(13, 3)

    expected = np.asarray(network.log_probs(token_ids, network.null_state(3)))

    found, _ = model.advance_with_log_probs(model.null_state(3), token_ids)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_column_that_restarts_does_not_see_what_it_read_before(make_network, make_weights, shape):
    network = make_network(**shape)
    network.import_weights(make_weights(network.sizes))
    first, second = random_ids(6, 3), random_ids(5, 3, seed=6)
    _, state = network(first, network.null_state(3))

    hidden, _ = network(second, network.restarted(state, np.array([True, False, True])))

    afresh, _ = network(second, network.null_state(3))
    carried, _ = network(second, state)
    np.testing.assert_allclose(hidden.numpy()[:, [0, 2]], afresh.numpy()[:, [0, 2]], atol=1e-5)
    np.testing.assert_allclose(hidden.numpy()[:, 1], carried.numpy()[:, 1], atol=1e-5)
    if network.sizes.context > 1:
        assert np.abs(carried - afresh).max() > 1e-3


def test_no_gradient_passes_into_the_segment_before(make_network, make_weights):
    """Dai et al. 2019, section 3.2: the gradient remains within a segment."""
    import tensorflow as tf

    network = make_network(context=4)
    network.import_weights(make_weights(network.sizes))
    # The first segment reads words that the second does not.
    with tf.GradientTape() as tape:
        _, state = network(np.array([[2], [3]], np.int32), network.null_state(1))
        hidden, _ = network(np.array([[5], [6]], np.int32), state)
        loss = tf.reduce_sum(hidden**3)
    gradient = tf.convert_to_tensor(tape.gradient(loss, network.named_weights()["embedding"])).numpy()

    assert not gradient[[2, 3]].any()
    assert gradient[[5, 6]].all()


def test_a_state_has_as_many_numbers_as_the_family_says(make_network):
    import tensorflow as tf

    from lmctl import families

    network = make_network(context=6, layers=3)
    numbers = sum(math.prod(part.shape) for part in tf.nest.flatten(network.null_state(5)))

    assert numbers == 5 * families.find("transformer").state_numbers(network.sizes)


def test_the_networks_weights_are_those_that_the_runtime_reads(make_network):
    network = make_network(tied=False, adaptive=True)

    shapes = {name: value.shape for name, value in network.export_weights().items()}

    assert shapes == weight_shapes(network.sizes)


def test_initial_weights_follow_from_the_seed(make_network):
    first, again, other = (make_network(seed=seed).export_weights() for seed in (1, 1, 2))

    for name, weight in first.items():
        np.testing.assert_array_equal(weight, again[name])
        assert len(weight.shape) == 1 or (weight != other[name]).any()


def test_the_outputs_of_layers_start_so_small_that_their_sum_keeps_its_size(make_network):
    # Radford et al. 2019, section 2.3: scaled by 1 / sqrt(N), where N is the number of residual layers.
    weights = make_network(hidden_units=64, feedforward_units=100, layers=8, heads=4).export_weights()

    assert weights["transformer.0.attention.output"].std() == pytest.approx(1 / 8 / 4, rel=0.05)
    assert weights["transformer.0.feedforward.output"].std() == pytest.approx(1 / 10 / 4, rel=0.05)
    assert weights["transformer.0.feedforward.gates_units"].std() == pytest.approx(1 / 8, rel=0.05)
    assert (weights["transformer.norm"] == 1).all()


@pytest.mark.parametrize("kind", ["words", "inputs", "outputs", "attention"])
def test_dropout_follows_from_its_seed_and_does_nothing_without_one(make_network, make_weights, kind):
    network = make_network(dropout={kind: 0.5})
    network.import_weights(make_weights(network.sizes))
    inputs, state = random_ids(6, 3), network.null_state(3)

    def outputs(seed):
        return network(inputs, state, None if seed is None else np.array(seed, np.int32))[0].numpy()

    np.testing.assert_array_equal(outputs([1, 2]), outputs([1, 2]))
    assert (outputs([1, 2]) != outputs([1, 3])).any()
    without = make_network()
    without.import_weights(network.export_weights())
    np.testing.assert_array_equal(outputs(None), without(inputs, state)[0])


def without_layers(weights):
    """Weights with which no part of a layer adds anything to the vectors."""
    return {name: value * (not name.endswith(".output")) for name, value in weights.items()}


def test_outputs_of_both_parts_of_a_layer_are_left_out(make_network, make_weights):
    # Nearly all outputs of the first layer are left out, so the second one reads the word vectors.
    network = make_network(context=4, dropout={"outputs": 0.9999})
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    inputs = random_ids(3, 2)

    _, (keys, values, _) = network(inputs, network.null_state(2), np.array([1, 2], np.int32))

    network.import_weights(without_layers(weights))
    _, (expected_keys, expected_values, _) = network(inputs, network.null_state(2))
    np.testing.assert_allclose(keys[1], expected_keys[1], atol=1e-5)
    np.testing.assert_allclose(values[1], expected_values[1], atol=1e-5)


def test_last_outputs_that_are_left_out_are_zero_and_the_others_scaled_up(make_network, make_weights):
    network = make_network(dropout={"outputs": 0.2})
    network.import_weights(without_layers(make_weights(network.sizes)))
    inputs, state = random_ids(6, 3), network.null_state(3)

    found = network(inputs, state, np.array([1, 2], np.int32))[0].numpy()

    kept = found != 0
    np.testing.assert_allclose(found[kept], network(inputs, state)[0].numpy()[kept] / 0.8, rtol=1e-5)
    # Of 144 draws the share kept is 0.8 within 5 standard deviations of 0.033.
    assert kept.mean() == pytest.approx(0.8, abs=0.17)


def test_inputs_that_are_left_out_are_zero_and_the_others_scaled_up(make_network, make_weights):
    network = make_network(dropout={"inputs": 0.5})
    weights = without_layers(make_weights(network.sizes))
    network.import_weights(weights)
    inputs = random_ids(6, 3)

    found = network(inputs, network.null_state(3), np.array([1, 2], np.int32))[0].numpy()

    kept = found != 0
    read = np.where(kept, weights["embedding"][inputs] * math.sqrt(8) / 0.5, 0)
    roots = np.sqrt((read**2).mean(axis=2, keepdims=True) + NORM_EPSILON)
    np.testing.assert_allclose(found, read / roots * weights["transformer.norm"], atol=1e-4)
    # Of 144 draws the share kept is 0.5 within 5 standard deviations of 0.042.
    assert kept.mean() == pytest.approx(0.5, abs=0.21)


def test_bfloat16_rounds_the_factors_of_products_alone(make_network, make_weights):
    exact, rounded = make_network(), make_network(precision="mixed_bfloat16")
    for network in (exact, rounded):
        network.import_weights(make_weights(network.sizes))
    inputs = random_ids(6, 3)

    expected, _ = exact(inputs, exact.null_state(3))
    found, state = rounded(inputs, rounded.null_state(3))

    assert found.dtype == "float32"
    assert state[0][0].dtype == "float32"
    assert 1e-6 < np.abs(found - expected).max() < 0.3
