import numpy as np
import pytest

from lmctl.families.linearrnn.config import LinearRNNConfig
from lmctl.families.linearrnn.runtime import LinearRNNLanguageModel
from lmctl.families.linearrnn.weights import weight_shapes

CELLS = ["sru", "qrnn", "mingru"]
SHAPES = [
    pytest.param({"cell": cell, **shape}, id=f"{cell}-{name}")
    for cell in CELLS
    for name, shape in {
        "projected": {},
        "tied": {"tied": True, "layers": 1},
        "adaptive": {"adaptive": True, "layers": 3},
    }.items()
]
SEED = np.array([1, 5], np.int32)


def random_ids(*shape, seed=5):
    return np.random.default_rng(seed).integers(0, 9, shape, dtype=np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_features_log_probabilities_and_state(make_network, make_weights, shape):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    model = LinearRNNLanguageModel(network.sizes, weights)
    token_ids = random_ids(9, 3)

    hidden, end = network(token_ids, network.null_state(3))
    log_probs = network.log_probs(token_ids, network.null_state(3))

    features, state = model.advance_with_features(model.null_state(3), token_ids)
    np.testing.assert_allclose(features, hidden, atol=1e-5)
    for layer, (last, last_input) in enumerate(end):
        np.testing.assert_allclose(state.states[layer], last, atol=1e-5)
        if state.inputs:
            np.testing.assert_allclose(state.inputs[layer], last_input, atol=1e-5)
    found, _ = model.advance_with_log_probs(model.null_state(3), token_ids)
    np.testing.assert_allclose(found, log_probs, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("cut", [1, 2, 8])
def test_a_segment_continues_the_segment_before_it(make_network, make_weights, cell, cut):
    network = make_network(cell=cell, layers=3)
    network.import_weights(make_weights(network.sizes))
    token_ids = random_ids(9, 3)

    whole, _ = network(token_ids, network.null_state(3))
    first, carried = network(token_ids[:cut], network.null_state(3))
    second, _ = network(token_ids[cut:], carried)

    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-6)


def test_a_column_that_restarts_begins_with_zeros(make_network):
    network = make_network(cell="qrnn")
    _, state = network(random_ids(6, 3), network.null_state(3))

    restarted = network.restarted(state, np.array([True, False, True]))

    for (before, read), (after, after_read) in zip(state, restarted, strict=True):
        assert not np.asarray(after)[[0, 2]].any()
        assert not np.asarray(after_read)[[0, 2]].any()
        np.testing.assert_array_equal(after[1], before[1])
        np.testing.assert_array_equal(after_read[1], read[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_that_is_trained_is_exported_and_has_a_gradient(make_network, make_weights, shape):
    import tensorflow as tf

    network = make_network(**shape)
    exported = network.export_weights()
    assert {name: weight.shape for name, weight in exported.items()} == weight_shapes(network.sizes)
    network.import_weights(make_weights(network.sizes))
    inputs, targets = random_ids(2, 8, 20)

    with tf.GradientTape() as tape:
        nats, _ = network.cross_entropy(inputs, tf.constant(targets), network.null_state(20), None)
        loss = tf.reduce_mean(nats)
    gradients = tape.gradient(loss, network.named_weights())

    for name, gradient in gradients.items():
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, name


def test_forget_gates_start_open(make_network):
    """sigmoid(1) of a state stays at the start; all other biases are zero."""
    bias = make_network(cell="sru").export_weights()["linear.0.bias"]

    np.testing.assert_array_equal(bias, [0] * 4 + [1] * 4 + [0] * 8)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("width", [3, 4], ids=["other width", "width of the units"])
@pytest.mark.parametrize("cell", CELLS)
def test_the_gradients_are_those_of_automatic_differentiation(cpu, cell, width, compiled):
    """The reference writes the recurrence as a loop in Python, which TensorFlow differentiates by itself."""
    import tensorflow as tf

    from lmctl.layers.keras.initial_weights import InitialWeights
    from lmctl.layers.keras.linear_recurrence import LinearRecurrence

    units = 4
    layer = LinearRecurrence(cell, width, units, initial=InitialWeights(1, 0.1), dtype="float32")
    generator = np.random.default_rng(3)
    draw = lambda *shape: tf.constant(generator.normal(size=shape), tf.float32)  # noqa: E731
    inputs, state, previous = draw(5, 2, width), draw(2, units), draw(2, width)
    updates = tf.constant(generator.integers(0, 2, (5, 2, units)) * 1.5, tf.float32)
    weigh_outputs, weigh_last = draw(5, 2, units), draw(2, units)

    def reference(inputs, state, previous):
        outputs = []
        for time in range(5):
            read = inputs[time]
            if cell == "qrnn":
                read = tf.concat([inputs[time - 1] if time else previous, read], axis=1)
            z, f, *rest = tf.split(tf.matmul(read, layer.kernel) + layer.bias, layer.cell_shape.blocks, axis=1)
            update = updates[time] * (1 - tf.sigmoid(f))
            state = (1 - update) * state + update * (tf.tanh(z) if cell == "qrnn" else z)
            skip = inputs[time] if width == units else rest[-1]
            opened = tf.sigmoid(rest[0]) if rest else None
            made = {
                "sru": lambda o=opened, c=state, s=skip: o * c + (1 - o) * s,
                "qrnn": lambda o=opened, c=state: o * c,
                "mingru": lambda c=state, s=skip: c + s,
            }
            outputs.append(made[cell]())
        return tf.stack(outputs), state

    scan = lambda *read: layer.scan(*read, updates=updates, compiled=compiled)  # noqa: E731
    scan = tf.function(scan, autograph=False) if compiled else scan

    def results(run):
        with tf.GradientTape() as tape:
            tape.watch((inputs, state, previous))
            outputs, last = run(inputs, state, previous)
            loss = tf.reduce_sum(outputs * weigh_outputs) + tf.reduce_sum(last * weigh_last)
        read = [inputs, state, *([previous] if cell == "qrnn" else [])]
        return [outputs, last, *tape.gradient(loss, [*read, layer.kernel.value, layer.bias.value])]

    for found, expected in zip(results(scan), results(reference), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_zoneout_keeps_elements_of_the_state_and_enlarges_the_other_updates(make_network, make_weights):
    """From a zero state, c = m (1 - f) z, where m is 0 for elements that are kept, else 1 / (1 - rate)."""
    plain, dropping = make_network(layers=1), make_network(layers=1, zoneout=0.25)
    for network in (plain, dropping):
        network.import_weights(make_weights(network.sizes))
    token_ids = random_ids(1, 200)

    _, ((expected, _),) = plain(token_ids, plain.null_state(200))
    _, ((found, _),) = dropping(token_ids, dropping.null_state(200), SEED)

    ratio = np.asarray(found) / np.asarray(expected)
    kept = np.isclose(ratio, 0, atol=1e-6)
    assert 0.2 < kept.mean() < 0.3
    np.testing.assert_allclose(ratio[~kept], 1 / 0.75, rtol=1e-3)
    # Without a seed nothing is left out.
    np.testing.assert_array_equal(dropping(token_ids, dropping.null_state(200))[1][0][0], expected)


@pytest.mark.parametrize("kind", ["words", "inputs", "outputs", "zoneout"])
def test_masks_follow_from_the_seed_that_is_given(make_network, make_weights, kind):
    network = make_network(**{kind: 0.5})
    network.import_weights(make_weights(network.sizes))
    run = lambda seed: np.asarray(network(random_ids(6, 4), network.null_state(4), seed)[0])  # noqa: E731

    np.testing.assert_array_equal(run(SEED), run(SEED))
    assert np.abs(run(SEED) - run(np.array([2, 5], np.int32))).max() > 1e-3


def test_the_dropout_rates_are_those_of_the_configuration(cpu):
    from lmctl.families.linearrnn.keras.network import Dropout

    model = LinearRNNConfig(dropout=0.1, input_dropout=0.2, word_dropout=0.3, zoneout=0.4)

    assert Dropout.of(model) == Dropout(words=0.3, inputs=0.2, outputs=0.1, zoneout=0.4)
