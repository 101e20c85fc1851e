import numpy as np
import pytest

from lmctl.layers.lstm import LSTMLayer


@pytest.mark.parametrize("many_columns", [False, True])
def test_a_layer_is_that_of_the_formula(many_columns):
    """Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, in float64."""
    generator = np.random.default_rng(1)
    kernel, recurrent, bias = (
        generator.normal(size=shape).astype(np.float32) for shape in ((3, 16), (4, 16), (16,))
    )
    inputs, hidden, cell = (
        generator.normal(size=shape).astype(np.float32) for shape in ((5, 2, 3), (2, 4), (2, 4))
    )

    layer = LSTMLayer.from_keras(kernel, recurrent, bias)
    gates = layer.input_gates(inputs.reshape(10, 3)).reshape(5, 2, 16)
    outputs, last, last_cell = layer.run(gates, hidden, cell, None, many_columns=many_columns)

    for step in range(5):
        sums = inputs[step].astype(np.float64) @ kernel + hidden @ recurrent.astype(np.float64) + bias
        enters, forgets, candidate, leaves = np.split(sums, 4, axis=1)
        cell = cell / (1 + np.exp(-forgets)) + np.tanh(candidate) / (1 + np.exp(-enters))
        hidden = np.tanh(cell) / (1 + np.exp(-leaves))
        np.testing.assert_allclose(outputs[step], hidden, atol=1e-5)
    np.testing.assert_allclose(last, hidden, atol=1e-5)
    np.testing.assert_allclose(last_cell, cell, atol=1e-5)
