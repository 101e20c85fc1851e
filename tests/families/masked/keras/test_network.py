import math

import numpy as np
import pytest

from lmctl import families
from lmctl.corpus.batches import sentence_segments
from lmctl.families.masked.runtime import MaskedModel
from lmctl.families.masked.weights import weight_shapes

SHAPES = [
    pytest.param({}, id="tied"),
    pytest.param({"layers": 3, "heads": 4, "tied": False, "adaptive": True}, id="untied-adaptive"),
    pytest.param({"heads": 1, "adaptive": True}, id="tied-adaptive"),
]
# Three columns of two sentences or less; 1 is </s>.
TEXT = np.array([[1, 5, 2, 1, 4, 7, 3, 1], [6, 1, 3, 8, 2, 2, 1, 5], [1, 2, 3, 4, 5, 6, 7, 8]], dtype=np.int32).T


def as_seed(*numbers):
    return None if None in numbers else np.array(numbers, np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_vectors_are_the_formula_within_sentences(make_network, make_weights, hidden_plainly, shape):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    gaps = [(1, 5), (), (3, 4)]
    hidden = np.zeros(TEXT.shape, dtype=bool)
    for column, places in enumerate(gaps):
        hidden[list(places), column] = True

    found = network(TEXT, hidden).numpy()

    for column, places in enumerate(gaps):
        expected = hidden_plainly(network.sizes, weights, TEXT[:, column].tolist(), places)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_runtime_gives_the_networks_log_probabilities(make_network, make_weights, shape):
    network = make_network(**shape)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    gaps = np.array([2, 3, 6])
    hidden = np.zeros(TEXT.shape, dtype=bool)
    hidden[gaps, np.arange(3)] = True

    found = MaskedModel(network.sizes, weights).log_probs(list(TEXT.T), gaps)

    # The network's rows are in the order of time, as the gaps are.
    np.testing.assert_allclose(found, network.gap_log_probs(TEXT, hidden), atol=1e-4)


def test_another_sentence_changes_nothing(make_network, make_weights):
    network = make_network()
    network.import_weights(make_weights(network.sizes))
    hidden = np.zeros(TEXT.shape, dtype=bool)
    hidden[5, 0] = True
    other = TEXT.copy()
    # The first sentence of the first column.
    other[1:3, 0] = [8, 6]

    first, second = (network(text, hidden).numpy()[:, 0] for text in (TEXT, other))

    np.testing.assert_array_equal(first[3:], second[3:])
    assert (first[1:3] != second[1:3]).all()


def test_positions_beyond_the_context_change_nothing(make_network, make_weights):
    network = make_network(context=3, layers=1)
    network.import_weights(make_weights(network.sizes))
    other = TEXT.copy()
    other[1, 2] = 8

    first, second = (network(text, np.zeros(TEXT.shape, bool)).numpy()[:, 2] for text in (TEXT, other))

    np.testing.assert_array_equal(first[4:], second[4:])
    assert (first[1:4] != second[1:4]).any(axis=1).all()


def chosen(network, targets, seed=None):
    return network._choose(np.array(targets, np.int32), as_seed(*seed) if seed else None).numpy()


def test_the_same_number_of_words_is_hidden_in_each_column_and_never_the_end_of_a_sentence(make_network):
    network = make_network(mask_rate=0.3)
    words = np.random.default_rng(1).integers(2, 9, (30, 4))
    words[::6] = 1
    words[:, 3] = 1
    words[4, 3] = 5

    draws = [chosen(network, words, (7, step)) for step in range(50)]

    for hidden in draws:
        assert not hidden[words == 1].any()
        # 0.3 of 25 words, rounded to even; of one word, one.
        assert hidden.sum(axis=0).tolist() == [8, 8, 8, 1]
    # Every word is hidden now and then.
    assert np.array(draws).any(axis=0)[words != 1].all()
    np.testing.assert_array_equal(chosen(network, words, (7, 3)), draws[3])


def test_columns_without_words_hide_nothing(make_network):
    assert not chosen(make_network(), np.ones((5, 2)), (1, 2)).any()
    assert not chosen(make_network(), np.ones((5, 2))).any()


def test_validation_hides_evenly_spread_words(make_network):
    # Ten words, three hidden: the places at which floor(3 i / 10) rises.
    targets = np.array([[2, 3, 1, 4, 5, 6, 7, 1, 8, 2, 3, 4]]).T

    hidden = chosen(make_network(mask_rate=0.3), targets)

    assert np.flatnonzero(hidden[:, 0]).tolist() == [4, 8, 11]


def test_a_column_of_many_words_has_evenly_spread_hidden_ones_too(make_network):
    # The product of both numbers and of the phases is above 2^32.
    hidden = chosen(make_network(mask_rate=0.5), np.full((12_000, 1), 5))

    assert np.flatnonzero(hidden[:, 0]).tolist() == list(range(1, 12_000, 2))


def test_validation_hides_words_at_all_places_of_its_sentences(make_network):
    # 64 sentences of ten words, three of which are hidden in each.
    targets = np.concatenate([np.full((10, 64), 5), np.ones((1, 64))])

    hidden = chosen(make_network(mask_rate=0.3), targets)

    assert (hidden.sum(axis=0) == 3).all()
    # 64 x 3 / 10 = 19.2 of the 64 at each place.
    assert ((hidden[:10].sum(axis=1) >= 18) & (hidden[:10].sum(axis=1) <= 21)).all()


def test_validation_leaves_out_unknown_words_that_training_never_sees(make_network):
    targets = np.array([[0, 0, 5, 0]]).T

    assert chosen(make_network(mask_rate=1.0, scores_unknown=False), targets)[:, 0].tolist() == [0, 0, 1, 0]
    assert chosen(make_network(mask_rate=1.0), targets)[:, 0].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_loss_is_the_mean_over_the_hidden_words(make_network, make_weights, hidden_plainly, adaptive):
    network = make_network(mask_rate=0.5, adaptive=adaptive)
    weights = make_weights(network.sizes)
    network.import_weights(weights)
    inputs, targets = TEXT[:-1], TEXT[1:]

    for seed in (None, as_seed(3, 4)):
        nats, state = network.cross_entropy(inputs, targets, network.null_state(3), seed)

        hidden = network._choose(targets, seed).numpy()
        of_words = [
            network.softmax(
                hidden_plainly(
                    network.sizes, weights, TEXT[:, column].tolist(), tuple(np.flatnonzero(hidden[:, column]) + 1)
                )[time + 1][None].astype(np.float32)
            ).numpy()[0, targets[time, column]]
            for time, column in np.argwhere(hidden)
        ]
        assert nats.shape == targets.shape
        np.testing.assert_allclose(nats, np.full(targets.shape, -np.mean(of_words)), rtol=1e-4)
        np.testing.assert_array_equal(state, np.zeros(3))


def test_padding_is_never_seen_by_a_word(make_network, make_weights):
    network = make_network()
    network.import_weights(make_weights(network.sizes))
    (short,) = sentence_segments(np.array([5, 3, 1], np.uint16), batch_size=1, num_steps=9)
    (padded,) = sentence_segments(np.array([5, 3, 1, 2, 4, 6, 7, 1], np.uint16), batch_size=2, num_steps=9)
    column = int(np.flatnonzero(padded.lengths == 3)[0])

    def read(segment):
        text = np.concatenate([segment.inputs[:1], segment.targets])
        return network(text, np.zeros(text.shape, bool)).numpy()

    assert padded.targets.shape == (5, 2)
    np.testing.assert_allclose(read(padded)[:4, column], read(short)[:, 0], atol=1e-5)


def test_nothing_is_carried_from_a_segment_to_the_next(make_network):
    network = make_network()
    state = network.null_state(4)

    assert network.restarted(state, np.ones(4, bool)) is state
    assert state.numpy().tolist() == [0, 0, 0, 0]


def test_the_networks_weights_are_those_that_the_runtime_reads(make_network):
    network = make_network(tied=False, adaptive=True)

    shapes = {name: value.shape for name, value in network.export_weights().items()}

    assert shapes == weight_shapes(network.sizes)


def test_initial_weights_follow_from_the_seed(make_network):
    first, again, other = (make_network(seed=seed).export_weights() for seed in (1, 1, 2))

    for name, weight in first.items():
        np.testing.assert_array_equal(weight, again[name])
        assert len(weight.shape) == 1 or (weight != other[name]).any()
    assert np.abs(first["masked.mask"]).max() <= 0.1
    assert math.isclose(first["masked.norm"].mean(), 1.0)


@pytest.mark.parametrize("kind", ["inputs", "outputs", "attention"])
def test_dropout_follows_from_its_seed_and_does_nothing_without_one(make_network, make_weights, kind):
    network = make_network(dropout={kind: 0.5})
    network.import_weights(make_weights(network.sizes))
    hidden = np.zeros(TEXT.shape, bool)

    def outputs(*seed):
        return network(TEXT, hidden, as_seed(*seed)).numpy()

    np.testing.assert_array_equal(outputs(1, 2), outputs(1, 2))
    assert (outputs(1, 2) != outputs(1, 3)).any()
    without = make_network()
    without.import_weights(network.export_weights())
    np.testing.assert_array_equal(outputs(None), without(TEXT, hidden))


def test_every_weight_is_trained(make_network, make_weights):
    import tensorflow as tf

    network = make_network()
    network.import_weights(make_weights(network.sizes))
    with tf.GradientTape() as tape:
        nats, _ = network.cross_entropy(TEXT[:-1], TEXT[1:], network.null_state(3), as_seed(1, 1))
        loss = tf.reduce_sum(nats)
    variables = network.named_weights()

    for name, gradient in zip(variables, tape.gradient(loss, list(variables.values())), strict=True):
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, name


def test_a_state_has_as_many_numbers_as_the_family_says(make_network):
    network = make_network()

    assert network.null_state(5).shape == (5,)
    assert families.find("masked").state_numbers(network.sizes) == 1


def test_bfloat16_rounds_the_factors_of_products_alone(make_network, make_weights):
    exact, rounded = make_network(), make_network(precision="mixed_bfloat16")
    for network in (exact, rounded):
        network.import_weights(make_weights(network.sizes))
    hidden = np.zeros(TEXT.shape, bool)

    expected, found = exact(TEXT, hidden), rounded(TEXT, hidden)

    assert found.dtype == "float32"
    assert 1e-6 < np.abs(found - expected).max() < 0.3
