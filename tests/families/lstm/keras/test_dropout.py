"""Dropout of the LSTM network while it is trained."""

import numpy as np
import pytest

from lmctl.families.lstm.config import LSTMConfig

KINDS = ["words", "inputs", "outputs", "weights"]
SEED = np.array([1, 5], np.int32)
# The same four words at each of six steps.
SAME_WORDS = np.array([[2, 3, 4, 5]] * 6, np.int32)


@pytest.fixture
def memoryless(make_network):
    """A network of one layer whose output depends only on the last word."""

    def make(**dropout):
        network = make_network(hidden_units=16, embedding_dim=16, init_scale=1.0, **dropout)
        weights = {name: weight.copy() for name, weight in network.export_weights().items()}
        weights["lstm.0.recurrent_kernel"] *= 0.0
        # The forget gates are closed: sigmoid(-100) is 4e-44.
        weights["lstm.0.bias"][16:32] = -100.0
        network.import_weights(weights)
        return network

    return make


def outputs(network, inputs, seed=SEED):
    return np.asarray(network(inputs, network.null_state(inputs.shape[1]), seed)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_masks_follow_from_the_seed_that_is_given(make_network, kind):
    network = make_network(layers=2, hidden_units=32, embedding_dim=32, init_scale=1.0, **{kind: 0.5})

    def after(*seed):
        return outputs(network, SAME_WORDS, np.array(seed, np.int32))

    np.testing.assert_array_equal(after(1, 5), after(1, 5))
    assert np.abs(after(1, 5) - after(1, 6)).max() > 1e-4
    assert np.abs(after(1, 5) - after(2, 5)).max() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_seed_nothing_is_left_out(make_network, kind):
    dropping, keeping = make_network(layers=2, **{kind: 0.5}), make_network(layers=2)

    np.testing.assert_array_equal(outputs(dropping, SAME_WORDS, None), outputs(keeping, SAME_WORDS, None))


def test_with_nothing_to_leave_out_a_seed_changes_nothing(make_network):
    network = make_network()

    np.testing.assert_allclose(outputs(network, SAME_WORDS), outputs(network, SAME_WORDS, None), atol=1e-6)


def test_a_word_is_read_as_zeros_all_through_a_segment_or_not_at_all(make_network):
    network = make_network(vocabulary_size=40, words=0.5, init_scale=1.0)
    every_word = np.arange(40, dtype=np.int32)[None]
    weights = network.export_weights()
    zeros = dict(weights, embedding=np.zeros((40, 3), np.float32))

    # After one word, the output shows whether the word was left out.
    found = outputs(network, every_word)
    network.import_weights(zeros)
    left_out = np.isclose(found, outputs(network, every_word, None), atol=1e-6).all(axis=(0, 2))
    network.import_weights(weights)
    inputs = np.random.default_rng(1).integers(0, 40, (9, 5), dtype=np.int32)
    found = outputs(network, inputs)

    network.import_weights(dict(weights, embedding=np.where(left_out[:, None], 0.0, 2.0 * weights["embedding"])))
    assert 0 < left_out.sum() < 40
    np.testing.assert_allclose(found, outputs(network, inputs, None), atol=1e-5)


def test_locked_the_same_elements_of_the_inputs_are_left_out_at_every_step(memoryless):
    found = outputs(memoryless(inputs=0.5, locked=True), SAME_WORDS)

    np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), atol=1e-6)


def test_unlocked_other_elements_of_the_inputs_are_left_out_at_every_step(memoryless):
    found = outputs(memoryless(inputs=0.5, locked=False), SAME_WORDS)

    assert np.abs(np.diff(found, axis=0)).max(axis=(1, 2)).min() > 1e-3


def test_every_column_has_a_mask_of_its_own(memoryless):
    found = outputs(memoryless(inputs=0.5), np.full((1, 4), 2, np.int32))[0]

    assert len({column.tobytes() for column in found}) == 4


@pytest.mark.parametrize("locked", [False, True])
def test_outputs_that_are_left_out_are_zero_and_the_others_scaled_up(make_network, locked):
    network = make_network(hidden_units=32, outputs=0.2, locked=locked)

    found, whole = outputs(network, SAME_WORDS), outputs(network, SAME_WORDS, None)

    kept = found != 0.0
    np.testing.assert_allclose(found[kept], whole[kept] / 0.8, atol=1e-6)
    # Of 4 * 32 draws, or six times as many, the share kept is 0.8 within 4 standard deviations of 0.035.
    assert kept.mean() == pytest.approx(0.8, abs=0.14)


def test_locked_the_same_outputs_are_left_out_at_every_step(make_network):
    left_out = outputs(make_network(hidden_units=32, outputs=0.5, locked=True), SAME_WORDS) == 0.0

    assert left_out.any()
    assert (left_out == left_out[0]).all()


def test_unlocked_other_outputs_are_left_out_at_every_step(make_network):
    left_out = outputs(make_network(hidden_units=32, outputs=0.5, locked=False), SAME_WORDS) == 0.0

    assert len({step.tobytes() for step in left_out}) == 6


def test_dropped_outputs_are_still_in_the_state(make_network):
    network = make_network(outputs=0.9)

    _, dropped = network(SAME_WORDS, network.null_state(4), SEED)
    _, kept = network(SAME_WORDS, network.null_state(4))

    np.testing.assert_allclose(dropped, kept, atol=1e-6)


def test_the_outputs_of_every_layer_are_dropped(make_network):
    # Nearly all outputs of the first layer are dropped, so the second one reads zeros.
    network = make_network(layers=2, outputs=0.999, init_scale=1.0)
    weights = network.export_weights()

    _, dropped = network(SAME_WORDS, network.null_state(4), SEED)
    network.import_weights(weights | {"lstm.1.kernel": np.zeros((4, 16), np.float32)})
    _, of_zeros = network(SAME_WORDS, network.null_state(4))

    np.testing.assert_allclose(dropped, of_zeros, atol=1e-6)


@pytest.mark.parametrize("recurrence", ["scan", "keras"])
def test_recurrent_weights_that_are_left_out_are_zero_the_whole_segment(make_network, recurrence):
    import tensorflow as tf

    network = make_network(hidden_units=16, weights=0.25, init_scale=1.0, recurrence=recurrence)
    name, weights = "lstm.0.recurrent_kernel", network.export_weights()

    @tf.function(autograph=False)
    def outputs_and_gradient():
        with tf.GradientTape() as tape:
            found, _ = network(SAME_WORDS, network.null_state(4), SEED)
            total = tf.reduce_sum(found * found)
        return found, tape.gradient(total, network.named_weights()[name])

    found, gradient = outputs_and_gradient()

    # A weight that is left out has no gradient.
    kept = np.asarray(gradient) != 0.0
    network.import_weights(weights | {name: weights[name] * kept / np.float32(0.75)})
    np.testing.assert_allclose(found, outputs(network, SAME_WORDS, None), atol=1e-6)
    # Of 1,024 draws the share kept is 0.75 within 5 standard deviations of 0.0135.
    assert kept.mean() == pytest.approx(0.75, abs=0.07)


def test_the_dropout_rates_are_those_of_the_configuration(cpu):
    from lmctl.families.lstm.keras.network import Dropout

    model = LSTMConfig(word_dropout=0.1, input_dropout=0.2, dropout=0.3, weight_dropout=0.4, locked_dropout=False)

    assert Dropout.of(model) == Dropout(words=0.1, inputs=0.2, outputs=0.3, weights=0.4, locked=False)
