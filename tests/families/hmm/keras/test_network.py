import numpy as np
import pytest

from lmctl.families.hmm.sizes import HMMSizes

pytestmark = pytest.mark.usefixtures("cpu")


def make_network(sizes, blocks, **options):
    from lmctl.families.hmm.keras.network import HMMNetwork

    counts = np.arange(sizes.vocabulary_size, 0, -1)
    return HMMNetwork(
        sizes, np.array(blocks), counts, **({"dropout": 0.0, "init_scale": 0.1, "seed": 1} | options)
    )


def test_the_loss_is_that_of_the_forward_algorithm(chain, sizes, weights):
    import tensorflow as tf

    network = make_network(sizes, [0, 0, 0])
    network.import_weights(weights)

    nats, state = network.cross_entropy(
        tf.constant([[2], [2]]), tf.constant([[2], [0]]), network.null_state(1), None
    )

    # Rabiner 1989, section III.A, in matrices.
    forward = chain.start * chain.emissions[:, 2]
    before = forward.sum()
    for word, found in zip([2, 0], nats.numpy()[:, 0], strict=True):
        forward = forward @ chain.transitions * chain.emissions[:, word]
        assert found == pytest.approx(-np.log(forward.sum() / before), abs=1e-6)
        before = forward.sum()
    # The state has read the inputs, 2 and 2, and not the last target.
    read = (chain.start * chain.emissions[:, 2]) @ chain.transitions * chain.emissions[:, 2]
    np.testing.assert_allclose(np.exp(state[1].numpy()[0]), read / read.sum(), atol=1e-6)


def test_the_gradient_of_a_word_is_that_of_tensorflows_own_gather():
    import tensorflow as tf

    sizes = HMMSizes(vocabulary_size=5, blocks=2, states_per_block=2, embedding_dim=3)
    network = make_network(sizes, [1, 0, 1, 1, 0])
    table = tf.Variable(np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32))
    factors = tf.constant(np.random.default_rng(2).normal(size=(2, 5, 3)).astype(np.float32))
    is_word = network._is_word[:, :, None]

    with tf.GradientTape(persistent=True) as tape:
        ours = tf.reduce_sum(network._of_blocks(table) * factors * is_word)
        reference = tf.reduce_sum(tf.gather(table, network._word) * factors * is_word)

    assert float(ours) == pytest.approx(float(reference))
    expected = tf.convert_to_tensor(tape.gradient(reference, table))
    np.testing.assert_allclose(tape.gradient(ours, table).numpy(), expected.numpy(), rtol=1e-6)


def test_words_start_as_probable_as_they_are_in_the_text():
    import tensorflow as tf

    sizes = HMMSizes(vocabulary_size=4, blocks=2, states_per_block=3, embedding_dim=2)
    network = make_network(sizes, [0, 1, 0, 1], init_scale=1e-6)
    inputs = tf.constant([[0, 0, 0, 0]])

    nats, _ = network.cross_entropy(inputs, tf.constant([[0, 1, 2, 3]]), network.null_state(4), None)

    # Counts of 4, 3, 2, 1, plus one; blocks have 8 and 6, plus one.
    expected = [9 / 16 * 5 / 8, 7 / 16 * 4 / 6, 9 / 16 * 3 / 8, 7 / 16 * 2 / 6]
    np.testing.assert_allclose(np.exp(-nats.numpy()[0]), expected, rtol=1e-4)


def test_weights_that_are_taken_bring_their_blocks():
    import tensorflow as tf

    sizes = HMMSizes(vocabulary_size=4, blocks=2, states_per_block=1, embedding_dim=2)
    first, second = make_network(sizes, [0, 1, 0, 1], seed=1), make_network(sizes, [1, 1, 0, 0], seed=2)

    second.import_weights(first.export_weights())

    for name, weight in first.export_weights().items():
        np.testing.assert_array_equal(second.export_weights()[name], weight)
    inputs, targets = tf.constant([[0, 1]]), tf.constant([[2, 3]])
    losses = [each.cross_entropy(inputs, targets, each.null_state(2), None)[0].numpy() for each in (first, second)]
    np.testing.assert_array_equal(*losses)


def test_dropout_follows_from_the_seed():
    import tensorflow as tf

    sizes = HMMSizes(vocabulary_size=4, blocks=2, states_per_block=2, embedding_dim=8)
    network = make_network(sizes, [0, 1, 0, 1], dropout=0.5, init_scale=1.0)
    segment = tf.constant([[0, 1]]), tf.constant([[2, 3]]), network.null_state(2)

    once, again, other, none = (
        network.cross_entropy(*segment, seed)[0].numpy()
        for seed in (tf.constant([1, 2]), tf.constant([1, 2]), tf.constant([1, 3]), None)
    )

    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert not np.array_equal(once, none)
