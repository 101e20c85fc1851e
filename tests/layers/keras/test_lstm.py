import numpy as np
import pytest

# Steps T, columns B, length of the inputs E, units H.
SHAPES = [(1, 4, 3, 2), (6, 1, 2, 5), (5, 3, 4, 4)]
NAMES = ["inputs", "hidden", "cell", "kernel", "recurrent_kernel", "bias"]


def random_values(shape, seed=1):
    """Inputs, start state, weights, and the weights of outputs, last output and last cell in the loss."""
    steps, batch, width, units = shape
    generator = np.random.default_rng(seed)

    def draw(*axes):
        return generator.normal(scale=0.7, size=axes).astype(np.float32)

    values = {
        "inputs": draw(steps, batch, width),
        "hidden": draw(batch, units),
        "cell": draw(batch, units),
        "kernel": draw(width, 4 * units),
        "recurrent_kernel": draw(units, 4 * units),
        "bias": draw(4 * units),
    }
    return values, [draw(steps, batch, units), draw(batch, units), draw(batch, units)]


@pytest.fixture
def make_layer(cpu):
    from lmctl.layers.keras.lstm import LSTM

    def make(values, dtype="float32"):
        return with_weights(LSTM(len(values["bias"]) // 4, dtype=dtype), values)

    return make


def test_single_steps_are_those_of_the_scan(make_layer):
    values, _ = random_values((5, 3, 4, 4))
    layer = make_layer(values)
    outputs, _, last_cell = layer.scan(values["inputs"], values["hidden"], values["cell"])

    hidden, cell = values["hidden"], values["cell"]
    for step in range(5):
        hidden, cell = layer.step(layer.projected(values["inputs"][step]), hidden, cell)
        np.testing.assert_allclose(hidden, outputs[step], atol=1e-6)

    np.testing.assert_allclose(cell, last_cell, atol=1e-6)


def with_weights(layer, values):
    layer.build((None, None, len(values["kernel"])))
    layer.set_weights([values["kernel"], values["recurrent_kernel"], values["bias"]])
    return layer


def results_and_gradients(run, layer, values, factors, *, graph=False):
    """The results of `run(inputs, hidden, cell)`, and the gradients of a loss that depends on all, by name."""
    import tensorflow as tf

    given = [tf.constant(values[name]) for name in NAMES[:3]]
    weights = [layer.cell.kernel.value, layer.cell.recurrent_kernel.value, layer.cell.bias.value]

    def step(*given):
        with tf.GradientTape() as tape:
            tape.watch(given)
            results = run(*given)
            loss = sum(tf.reduce_sum(result * factor) for result, factor in zip(results, factors, strict=True))
        return results, tape.gradient(loss, [*given, *weights])

    results, gradients = (tf.function(step, autograph=False) if graph else step)(*given)
    return [np.asarray(result) for result in results], dict(zip(NAMES, map(np.asarray, gradients), strict=True))


def of_keras(values, factors):
    """The same from keras.layers.LSTM and automatic differentiation."""
    import keras
    import tensorflow as tf

    units = len(values["bias"]) // 4
    layer = with_weights(keras.layers.LSTM(units, return_sequences=True, return_state=True), values)

    def run(inputs, hidden, cell):
        outputs, hidden, cell = layer(tf.transpose(inputs, (1, 0, 2)), initial_state=[hidden, cell])
        return tf.transpose(outputs, (1, 0, 2)), hidden, cell

    return results_and_gradients(run, layer, values, factors)


def of_scan(layer, values, factors, *, compiled=False, recurrent_kernel=None):
    def run(*given):
        return layer.scan(*given, recurrent_kernel=recurrent_kernel, compiled=compiled)

    # XLA compiles a part of a graph, such as the graph of a training step.
    return results_and_gradients(run, layer, values, factors, graph=compiled)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scan_gives_kerass_outputs_last_output_and_last_cell(make_layer, shape, compiled):
    values, factors = random_values(shape)

    found, _ = of_scan(make_layer(values), values, factors, compiled=compiled)

    for result, expected in zip(found, of_keras(values, factors)[0], strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_scan_gives_the_gradients_of_automatic_differentiation(make_layer, shape, compiled):
    values, factors = random_values(shape)

    _, found = of_scan(make_layer(values), values, factors, compiled=compiled)

    for name, expected in of_keras(values, factors)[1].items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("part", [0, 1, 2], ids=["outputs", "last output", "last cell"])
def test_a_loss_that_has_one_result_alone_has_kerass_gradients(make_layer, part):
    values, factors = random_values((4, 2, 3, 3))
    factors = [factor * (index == part) for index, factor in enumerate(factors)]

    _, found = of_scan(make_layer(values), values, factors)

    for name, expected in of_keras(values, factors)[1].items():
        np.testing.assert_allclose(found[name], expected, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("compiled", [False, True])
def test_in_mixed_precision_the_numbers_are_those_of_float32_but_for_rounding(make_layer, compiled):
    values, factors = random_values((5, 3, 4, 4))

    found, gradients = of_scan(make_layer(values, "mixed_bfloat16"), values, factors, compiled=compiled)

    # bfloat16 keeps 8 binary digits: a factor is off by up to 1/256 of itself.
    expected, expected_gradients = of_keras(values, factors)
    for result, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(result, exact, atol=0.03)
    for name, exact in expected_gradients.items():
        np.testing.assert_allclose(gradients[name], exact, atol=0.03 * np.abs(exact).max(), err_msg=name)


def test_in_mixed_precision_results_and_gradients_are_float32(make_layer):
    values, factors = random_values((2, 1, 2, 2))

    found, gradients = of_scan(make_layer(values, "mixed_bfloat16"), values, factors)

    assert {array.dtype for array in (*found, *gradients.values())} == {np.dtype(np.float32)}


def test_a_recurrent_kernel_that_is_given_takes_the_place_of_the_layers_own(make_layer):
    values, factors = random_values((4, 2, 3, 3))
    other = random_values((4, 2, 3, 3), seed=2)[0]["recurrent_kernel"]

    found, _ = of_scan(make_layer(values), values, factors, recurrent_kernel=other)

    for result, expected in zip(found, of_keras(values | {"recurrent_kernel": other}, factors)[0], strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_recurrent_kernel_that_is_given_takes_the_gradient(make_layer):
    import tensorflow as tf

    values, factors = random_values((4, 2, 3, 3))
    layer = make_layer(values)

    # If the layer runs with 2 R, the gradient of R is twice the gradient of a layer with recurrent kernel 2 R.
    def run(*given):
        return layer.scan(*given, recurrent_kernel=2.0 * tf.convert_to_tensor(layer.cell.recurrent_kernel))

    _, found = results_and_gradients(run, layer, values, factors)
    _, doubled = of_keras(values | {"recurrent_kernel": 2.0 * values["recurrent_kernel"]}, factors)

    np.testing.assert_allclose(found["recurrent_kernel"], 2.0 * doubled["recurrent_kernel"], atol=1e-5)


def test_one_graph_serves_segments_of_any_length_and_batch(make_layer):
    import tensorflow as tf

    layer = make_layer(random_values((1, 1, 3, 2))[0])

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 3)),
            tf.TensorSpec((None, 2)),
            tf.TensorSpec((None, 2)),
        ]
    )
    def outputs_and_gradient(inputs, hidden, cell):
        with tf.GradientTape() as tape:
            outputs, _, _ = layer.scan(inputs, hidden, cell)
            total = tf.reduce_sum(outputs)
        return outputs, tape.gradient(total, layer.cell.kernel.value)

    for shape in [(3, 2, 3, 2), (5, 1, 3, 2)]:
        values, factors = random_values(shape, seed=3)
        given = [values[name] for name in NAMES[:3]]
        outputs, gradient = outputs_and_gradient(*given)
        ones = [np.ones_like(factors[0]), 0.0 * factors[1], 0.0 * factors[2]]
        (expected, _, _), gradients = of_scan(layer, values, ones)
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
        np.testing.assert_allclose(gradient, gradients["kernel"], atol=1e-5)
