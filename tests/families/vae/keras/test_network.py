import math

import numpy as np
import pytest

from lmctl.families.vae.bounds import log_likelihoods
from lmctl.families.vae.runtime import VAELanguageModel

pytestmark = pytest.mark.usefixtures("cpu")

SHAPES = [{}, {"codes": 1, "layers": 1}, {"adaptive": True}, {"adaptive": True, "tied": True, "layers": 1}]

# Two columns. The first starts within a sentence and has two more; the second is one sentence without an end.
INPUTS = np.array([[5, 1], [1, 2], [2, 3], [6, 4], [1, 5], [3, 6]], dtype=np.int32)
TARGETS = np.array([[1, 2], [2, 3], [6, 4], [1, 5], [3, 6], [4, 2]], dtype=np.int32)
STARTS = np.array([[1, 1], [1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=bool)
ENDS = np.array([[0, 5], [3, 5], [3, 5], [3, 5], [5, 5], [5, 5]])


@pytest.fixture
def make_network(make_weights):
    """`make_network(sizes, outputs=, free_bits=, ...)`: a network with the weights of `make_weights`."""
    from lmctl.families.vae.keras.network import Regularization, VAENetwork

    def make(sizes, *, recurrence="scan", precision="float32", **regularization):
        network = VAENetwork(
            sizes,
            regularization=Regularization(**regularization),
            init_scale=0.1,
            seed=1,
            recurrence=recurrence,
            precision=precision,
        )
        network.import_weights(make_weights(sizes))
        return network

    return make


def seed(step=0):
    return np.array([3, step], dtype=np.int32)


@pytest.mark.parametrize("shape", SHAPES)
def test_validation_is_the_exact_loss_of_the_runtimes_mixture(make_sizes, make_weights, make_network, shape):
    import tensorflow as tf

    sizes = make_sizes(**shape)
    network, model = make_network(sizes), VAELanguageModel(sizes, make_weights(sizes))
    token_ids = np.random.default_rng(6).integers(0, 7, (13, 4)).astype(np.int32)
    inputs, targets = tf.constant(token_ids[:-1]), tf.constant(token_ids[1:])

    first, state = network.cross_entropy(inputs[:5], targets[:5], network.null_state(4), None)
    second, end = network.cross_entropy(inputs[5:], targets[5:], state, None)

    scores, after = model.score(token_ids[:-1], token_ids[1:], np.full(4, 12), model.null_state(4))
    np.testing.assert_allclose(-np.concatenate([first, second]), scores.log_probs, atol=1e-5)
    np.testing.assert_allclose(end.log_weights, after.log_weights, atol=1e-5)
    np.testing.assert_allclose(np.transpose(end.hidden, (2, 0, 1, 3)), after.hidden, atol=1e-5)
    np.testing.assert_allclose(np.transpose(end.cell, (2, 0, 1, 3)), after.cell, atol=1e-5)


def test_log_probs_are_those_of_the_runtime(sizes, make_weights, make_network):
    network, model = make_network(sizes), VAELanguageModel(sizes, make_weights(sizes))

    found = network.log_probs(INPUTS, network.null_state(2))

    expected, _ = model.advance_with_log_probs(model.null_state(2), INPUTS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_sentence_ends_at_its_end_or_with_the_segment(sizes, make_network):
    mean, log_variance, ends = make_network(sizes).encoded(TARGETS)

    np.testing.assert_array_equal(ends, ENDS)
    for values in (np.asarray(mean), np.asarray(log_variance)):
        assert values.shape == (6, 2, 2)
        for column in range(2):
            for time, end in enumerate(ENDS[:, column]):
                np.testing.assert_array_equal(values[time, column], values[end, column])
        assert np.abs(values[0, 0] - values[1, 0]).max() > 0.01
        assert np.abs(values[1, 0] - values[4, 0]).max() > 0.01


def test_the_code_of_a_sentence_does_not_depend_on_the_words_after_it(sizes, make_network):
    network = make_network(sizes)
    others = TARGETS.copy()
    others[4:, 0] = 6

    found, _, _ = network.encoded(TARGETS)
    changed, _, _ = network.encoded(others)

    np.testing.assert_array_equal(np.asarray(found)[:4, 0], np.asarray(changed)[:4, 0])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_sentence_is_predicted_with_one_code_that_is_drawn_for_it(make_sizes, make_weights, make_network, shape):
    """Kingma & Welling 2014, section 2.4: z = mean + deviation x noise. The runtime decodes with that code."""
    from lmctl.layers.keras.masks import Masks

    sizes = make_sizes(**shape)
    network, model = make_network(sizes, annealing_steps=1), VAELanguageModel(sizes, make_weights(sizes))
    sentence, inputs = (np.array(words, dtype=np.int32)[:, None] for words in ([2, 3, 6, 1], [1, 2, 3, 6]))

    # At step 0 the divergence has the weight 0.
    nats, _ = network.cross_entropy(inputs, sentence, network.null_state(1), seed(0))

    mean, log_variance = model.encoder.posterior(sentence, np.array([4]))
    noise = np.asarray(Masks(seed(0)).normal((4, 1, 2)))[3]
    code = mean + np.exp(0.5 * log_variance) * noise
    (expected,) = log_likelihoods(model, sentence[:, 0], code)
    assert -np.sum(nats) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (50, 0.5), (100, 1.0), (1000, 1.0)])
@pytest.mark.parametrize("free_bits", [0.0, 20.0])
def test_the_first_position_of_a_sentence_has_its_divergence(sizes, make_network, step, weight, free_bits):
    network = make_network(sizes, annealing_steps=100, free_bits=free_bits)
    without = make_network(sizes, annealing_steps=10**9)

    found, _ = network.cross_entropy(INPUTS, TARGETS, network.null_state(2), seed(step))
    # The noise follows from the seed, so it is the same; at this weight the divergence counts nothing.
    reconstruction, _ = without.cross_entropy(INPUTS, TARGETS, without.null_state(2), seed(step))

    mean, log_variance, _ = (np.asarray(part, dtype=np.float64) for part in network.encoded(TARGETS))
    divergence = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance)
    of_sentences = np.maximum(divergence, free_bits * math.log(2) / 2).sum(axis=2)
    expected = np.where(STARTS, weight * of_sentences, 0.0)
    np.testing.assert_allclose(np.asarray(found) - np.asarray(reconstruction), expected, atol=2e-4)


def test_center_and_deviation_of_the_codes_have_the_gradient_of_their_likelihood(sizes, make_network):
    import tensorflow as tf

    from lmctl.families.vae.keras.network import PLACING_WEIGHT

    network = make_network(sizes)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            nats, _ = network.cross_entropy(INPUTS, TARGETS, network.null_state(2), seed())
        return tape.gradient(nats, [network.center.value, network.log_deviation.value])

    found = gradients()

    codes = np.asarray(network.encoded(TARGETS)[0], dtype=np.float64)[STARTS]
    center, log_deviation = (
        np.asarray(each.value, np.float64) for each in (network.center, network.log_deviation)
    )
    scaled = (codes - center) / np.exp(log_deviation)
    expected = -scaled.sum(axis=0) / np.exp(log_deviation), (1 - scaled**2).sum(axis=0)
    assert len(codes) == 4
    for each, of_formula in zip(found, expected, strict=True):
        np.testing.assert_allclose(each, PLACING_WEIGHT * of_formula, rtol=1e-4)


@pytest.mark.long
def test_the_bound_is_below_the_evidence(make_sizes, make_weights, make_network):
    """Kingma & Welling 2014: the mean of the bound over noise is below log p(x), here of 1,000 codes."""
    sizes = make_sizes(codes=1000, layers=1)
    network = make_network(sizes)
    model = VAELanguageModel(sizes, make_weights(sizes))
    inputs, targets = INPUTS[:, 1:], TARGETS[:, 1:]

    bounds = []
    for step in range(200):
        nats, _ = network.cross_entropy(inputs, targets, network.null_state(1), seed(step))
        bounds.append(-float(np.sum(nats)))

    scores, _ = model.score(inputs, targets, np.array([len(inputs)]), model.null_state(1))
    assert np.mean(bounds) < scores.log_probs.sum()


def test_training_carries_one_state_for_all_codes(sizes, make_network):
    network = make_network(sizes)

    _, state = network.cross_entropy(INPUTS, TARGETS, network.null_state(2), seed())

    for part in (np.asarray(state.hidden), np.asarray(state.cell)):
        assert part.shape == (2, 3, 2, 4)
        np.testing.assert_array_equal(part[:, 0], part[:, 1])
        assert np.abs(part).max() > 0
    np.testing.assert_allclose(state.log_weights, np.log(1 / 3))


def test_both_recurrences_give_the_same_loss_in_training(sizes, make_network):
    losses = []
    for recurrence in ("scan", "keras"):
        network = make_network(sizes, recurrence=recurrence, outputs=0.3, inputs=0.2)
        losses.append(network.cross_entropy(INPUTS, TARGETS, network.null_state(2), seed())[0])

    np.testing.assert_allclose(*losses, atol=1e-5)


@pytest.mark.parametrize("dropout_seed", [None, seed()])
def test_mixed_precision_changes_little(sizes, make_network, dropout_seed):
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        network = make_network(sizes, precision=precision)
        losses.append(network.cross_entropy(INPUTS, TARGETS, network.null_state(2), dropout_seed)[0].numpy())

    # bfloat16 has 8 bits of precision.
    np.testing.assert_allclose(*losses, atol=0.2)
    assert not np.array_equal(*losses)


@pytest.mark.parametrize("share", ["words", "inputs", "outputs", "weights"])
def test_dropout_and_noise_follow_from_the_seed(sizes, make_network, share):
    network, plain = make_network(sizes, **{share: 0.5}), make_network(sizes)

    once, again, other, without = (
        np.asarray(each.cross_entropy(INPUTS, TARGETS, each.null_state(2), seed(step))[0])
        for each, step in ((network, 1), (network, 1), (network, 2), (plain, 1))
    )

    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)
    assert not np.array_equal(once, without)


def test_every_weight_is_trained(sizes, make_network):
    import tensorflow as tf

    network = make_network(sizes)
    variables = network.named_weights()

    @tf.function(autograph=False)
    def gradients():
        with tf.GradientTape() as tape:
            nats, _ = network.cross_entropy(
                tf.constant(INPUTS), tf.constant(TARGETS), network.null_state(2), tf.constant(seed())
            )
            loss = tf.reduce_sum(nats)
        return {name: tf.convert_to_tensor(gradient) for name, gradient in tape.gradient(loss, variables).items()}

    for name, gradient in gradients().items():
        assert np.abs(gradient).max() > 0, name
