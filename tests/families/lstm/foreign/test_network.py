"""A network without an end of a sentence, beside its own formulas in float64; and weights that are not finite."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families.lstm.foreign.network import ForeignLayer, ForeignLSTM
from lmctl.families.lstm.runtime import LSTMLanguageModel

WORDS, WIDTH, UNITS = 50, 64, 128


@pytest.fixture
def make_network():
    """`make_network(recurrent=1.0)`: random weights, those between steps times this number."""

    def make(recurrent=1.0):
        generator = np.random.default_rng(0)

        def drawn(*shape, scale=1.0):
            return (generator.standard_normal(shape) * scale).astype(np.float32)

        layers = [
            ForeignLayer(
                drawn(width, 4 * UNITS, scale=width**-0.5),
                drawn(UNITS, 4 * UNITS, scale=recurrent * UNITS**-0.5),
                drawn(4 * UNITS, scale=0.5),
            )
            for width in (WIDTH, UNITS)
        ]
        output = drawn(WORDS, UNITS, scale=0.3)
        return ForeignLSTM(drawn(WORDS, WIDTH), layers, output, np.zeros(WORDS, dtype=np.float32))

    return make


def sigmoid(values):
    return (1 + np.tanh(values / 2)) / 2


def expected_log_probs(network, rows):
    """The log probabilities after each word of a text that starts from zeros, (T, V)."""
    states = [(np.zeros(UNITS), np.zeros(UNITS)) for _ in network.layers]
    found = []
    for row in rows:
        values = network.embedding[row].astype(np.float64)
        for number, layer in enumerate(network.layers):
            output, cell = states[number]
            gates = values @ layer.kernel.astype(np.float64) + output @ layer.recurrent_kernel + layer.bias
            entering, forget, candidate, opened = np.split(gates, 4)
            cell = sigmoid(forget) * cell + sigmoid(entering) * np.tanh(candidate)
            values = sigmoid(opened) * np.tanh(cell)
            states[number] = values, cell
        logits = network.output @ values
        found.append(logits - np.log(np.exp(logits).sum()))
    return np.array(found)


def in_own_form(network):
    """Its rows become `<unk>`, then the ids from 2 on; it has no `</s>`."""
    sizes, _, weights = network.in_own_form(np.array([0, -1, *range(1, WORDS)]))
    return LSTMLanguageModel(sizes, weights)


def test_an_end_of_a_sentence_that_the_network_does_not_have_costs_no_digits(make_network):
    network = make_network()
    model = in_own_form(network)
    rows = np.random.default_rng(1).integers(1, WORDS, size=40)

    # Other words, then `</s>`, from which on the text is the first one.
    text = np.array([7, 9, 1, *(rows + 1)])[:, None]
    found = model.advance_with_log_probs(model.null_state(1), text)[0][3:, 0]
    np.testing.assert_allclose(found[:, [0, *range(2, WORDS + 1)]], expected_log_probs(network, rows), atol=8e-6)


@pytest.mark.parametrize("recurrent", [0.0, 1.0, 100_000.0])
def test_it_makes_the_state_zeros_whatever_the_weights(make_network, recurrent):
    model = in_own_form(make_network(recurrent))

    state = model.advance(model.null_state(1), np.array([[7], [9], [30], [1]]))
    assert (state.hidden[:, 0, :UNITS] == 0).all()
    assert (state.cell[:, 0, :UNITS] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["embedding", "output", "output_bias", "kernel", "recurrent_kernel", "bias"])
def test_a_weight_that_is_not_finite_is_refused(make_network, place, value):
    network = make_network()
    weights = getattr(network.layers[1], place, None)
    (getattr(network, place) if weights is None else weights)[-1] = value

    if (place, value) == ("output_bias", -np.inf):
        # The last word is never predicted.
        network.check(Path("model"))
        return
    with pytest.raises(DataError, match="model: a weight is infinite, NaN or too large for float32"):
        network.check(Path("model"))


def test_more_layers_than_a_configuration_may_have_are_refused(make_network):
    network = make_network()
    second = network.layers[1]

    replace(network, layers=[network.layers[0], *[second] * 7]).check(Path("model"))
    with pytest.raises(DataError, match="model: has 9 LSTM layers; lmctl reads networks of up to 8"):
        replace(network, layers=[network.layers[0], *[second] * 8]).check(Path("model"))


def test_vectors_without_elements_are_refused(make_network):
    network = make_network()
    first = network.layers[0]._replace(kernel=np.zeros((0, 4 * UNITS), dtype=np.float32))

    with pytest.raises(DataError, match="model: the shapes of the weights do not fit each other"):
        replace(network, embedding=network.embedding[:, :0], layers=[first, network.layers[1]]).check(
            Path("model")
        )


def test_a_network_that_predicts_no_word_is_refused(make_network):
    network = replace(make_network(), output_bias=np.full(WORDS, -np.inf, dtype=np.float32))

    with pytest.raises(DataError, match="a weight is infinite"):
        network.check(Path("model"))
