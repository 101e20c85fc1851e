import math

import numpy as np
import pytest

LN_2, LN_3 = math.log(2.0), math.log(3.0)
ONE_CLUSTER = ((12, 6),)
THREE_CLUSTERS = ((4, 6), (3, 3), (5, 1))
# Ids 0 to 3 are in the first of the three clusters, 4 to 6 in the second, 7 to 11 in the third.
TARGETS = {
    "everywhere": [0, 7, 4, 11, 3, 6, 8, 2],
    "in the head": [0, 1, 3, 3],
    "in one rare cluster": [7, 11, 8],
    "in the rare clusters": [4, 11, 6, 7],
    "one": [5],
}
# H and D; if they differ, there is a projection.
HIDDEN_UNITS = [pytest.param(6, id="H = D"), pytest.param(4, id="H < D")]


@pytest.fixture
def make_softmax(make_vectors):
    """`make_softmax(clusters, hidden_units)`: all weights normally distributed."""
    import keras

    from lmctl.layers.keras.softmax import Softmax

    def make(clusters, hidden_units=6, *, dtype="float32", scatters=True):
        seeds = iter(range(10))
        layer = Softmax(
            make_vectors(*clusters, scale=0.6),
            hidden_units,
            initializer=lambda: keras.initializers.RandomNormal(stddev=0.6, seed=next(seeds)),
            dtype=dtype,
            scatters=scatters,
        )
        generator = np.random.default_rng(2)
        for weight in layer.trainable_variables:
            if "bias" in weight.name:
                weight.assign(generator.normal(size=weight.shape))
        return layer

    return make


@pytest.fixture
def softmax_of(make_softmax):
    """`softmax_of(table, bias)`: the softmax in one cluster with these weights."""

    def make(table, bias, *, dtype="float32"):
        table = np.array(table, np.float32)
        layer = make_softmax((table.shape,), table.shape[1], dtype=dtype)
        layer.vectors.tables[0].assign(table)
        layer.bias.assign(np.array(bias, np.float32))
        return layer

    return make


def hidden_vectors(rows, hidden_units, seed=3):
    return np.random.default_rng(seed).normal(size=(rows, hidden_units)).astype(np.float32)


def variables(layer):
    """The tf.Variables of the softmax and its word vectors, by name."""
    named = layer.named_weights() | layer.vectors.named_weights()
    return {name: variable.value for name, variable in named.items()}


def gradients(layer, hidden, nats_of):
    """Gradients of a weighted sum of `nats_of(hidden)`: for the hidden vectors, and for every weight, by name."""
    import tensorflow as tf

    hidden, sources = tf.constant(hidden), variables(layer)
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        nats = nats_of(hidden)
        total = tf.reduce_sum(nats * tf.range(1.0, tf.cast(tf.size(nats), tf.float32) + 1.0))
    found = tape.gradient(total, {"hidden": hidden} | sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {name: np.asarray(tf.convert_to_tensor(gradient)) for name, gradient in found.items()}


def assert_gradients_equal(found, expected):
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, atol=1e-5, err_msg=name)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_logits_are_products_with_every_words_vector_plus_its_bias(softmax_of):
    layer = softmax_of([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]], [0.5, 0.0, -1.0])

    log_probs = np.asarray(layer(np.array([[1.0, 2.0], [0.0, 1.0]], np.float32)))

    # 1*1 + 0*2 + 0.5, 2*1 - 1*2 + 0, 0*1 + 3*2 - 1; and the same of (0, 1).
    expected = log_softmax(np.array([[1.5, 0.0, 5.0], [0.5, -1.0, 2.0]]))
    np.testing.assert_allclose(log_probs, expected, atol=1e-6)


def test_a_rare_words_probability_is_its_clusters_times_its_own_within_it(make_softmax):
    layer = make_softmax(((2, 1), (2, 1)), 1)
    for weight in layer.trainable_variables:
        weight.assign(np.zeros(weight.shape))
    layer.bias.assign([LN_2, 0.0, LN_3, 0.0])

    log_probs = np.asarray(layer(np.ones((1, 1), np.float32)))

    # The head has 2 : 1 for its words and 1 for the cluster, and the cluster 3 : 1.
    np.testing.assert_allclose(np.exp(log_probs), [[1 / 2, 1 / 4, 3 / 16, 1 / 16]], rtol=1e-6)


@pytest.mark.parametrize("hidden_units", HIDDEN_UNITS)
def test_the_adaptive_softmax_follows_its_paper(make_softmax, hidden_units):
    layer = make_softmax(THREE_CLUSTERS, hidden_units)
    hidden = hidden_vectors(5, hidden_units)
    weights = {name: weight.numpy().astype(np.float64) for name, weight in variables(layer).items()}

    # Grave et al. 2017, section 4.3: each cluster reads a linear map of the hidden vector, as short as its word
    # vectors.
    bias = weights["softmax.bias"]
    full = hidden @ weights["softmax.projection"] if hidden_units != 6 else hidden
    of_words, of_clusters = full @ weights["embedding.0"].T + bias[:4], full @ weights["softmax.clusters"].T
    head = log_softmax(np.concatenate([of_words, of_clusters + weights["softmax.clusters.bias"]], axis=1))
    second = full @ weights["embedding.1.projection"].T @ weights["embedding.1"].T + bias[4:7]
    third = full @ weights["embedding.2.projection"].T @ weights["embedding.2"].T + bias[7:]
    expected = [head[:, :4], head[:, 4:5] + log_softmax(second), head[:, 5:6] + log_softmax(third)]

    np.testing.assert_allclose(layer(hidden), np.concatenate(expected, axis=1), atol=1e-5)


@pytest.mark.parametrize("clusters", [ONE_CLUSTER, THREE_CLUSTERS], ids=["full", "adaptive"])
def test_each_row_sums_to_one_in_probability(make_softmax, clusters):
    log_probs = np.asarray(make_softmax(clusters)(hidden_vectors(9, 6)), np.float64)

    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), np.ones(9), atol=1e-6)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("hidden_units", HIDDEN_UNITS)
@pytest.mark.parametrize("clusters", [ONE_CLUSTER, THREE_CLUSTERS], ids=["full", "adaptive"])
def test_cross_entropy_is_minus_the_log_probability_of_each_target(make_softmax, clusters, hidden_units, targets):
    layer, hidden = make_softmax(clusters, hidden_units), hidden_vectors(len(targets), hidden_units)

    nats = layer.cross_entropy(hidden, np.array(targets, np.int32))

    expected = -np.asarray(layer(hidden))[np.arange(len(targets)), targets]
    np.testing.assert_allclose(nats, expected, atol=1e-5)


@pytest.mark.parametrize("targets", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("hidden_units", HIDDEN_UNITS)
@pytest.mark.parametrize("clusters", [ONE_CLUSTER, THREE_CLUSTERS], ids=["full", "adaptive"])
@pytest.mark.parametrize("scatters", [True, False], ids=["in place", "one-hot"])
def test_the_gradients_are_those_of_automatic_differentiation(
    make_softmax, clusters, hidden_units, targets, scatters
):
    import tensorflow as tf

    layer, hidden = (
        make_softmax(clusters, hidden_units, scatters=scatters),
        hidden_vectors(len(targets), hidden_units),
    )
    places = [[row, target] for row, target in enumerate(targets)]

    found = gradients(layer, hidden, lambda hidden: layer.cross_entropy(hidden, np.array(targets, np.int32)))

    # The log probabilities of all words, computed with TensorFlow's own gradients only.
    assert_gradients_equal(found, gradients(layer, hidden, lambda hidden: -tf.gather_nd(layer(hidden), places)))


def test_in_one_cluster_cross_entropy_and_its_gradients_are_tensorflows(make_softmax):
    import tensorflow as tf

    layer, hidden = make_softmax(ONE_CLUSTER), hidden_vectors(4, 6)
    targets = np.array([0, 11, 5, 5], np.int32)

    def of_tensorflow(hidden):
        logits = tf.matmul(hidden, layer.vectors.tables[0], transpose_b=True) + layer.bias
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)

    np.testing.assert_allclose(layer.cross_entropy(hidden, targets), of_tensorflow(hidden), atol=1e-5)
    found = gradients(layer, hidden, lambda hidden: layer.cross_entropy(hidden, targets))
    assert_gradients_equal(found, gradients(layer, hidden, of_tensorflow))


def test_a_cluster_that_no_target_is_in_is_not_computed(make_softmax):
    layer, hidden = make_softmax(THREE_CLUSTERS), hidden_vectors(4, 6)
    targets = np.array([0, 4, 6, 3], np.int32)
    before = np.asarray(layer.cross_entropy(hidden, targets))

    layer.vectors.tables[2].assign(np.full((5, 1), np.nan))

    np.testing.assert_array_equal(layer.cross_entropy(hidden, targets), before)


def test_one_graph_serves_targets_wherever_they_are(make_softmax):
    import tensorflow as tf

    layer = make_softmax(THREE_CLUSTERS)
    cross_entropy = tf.function(
        layer.cross_entropy, input_signature=[tf.TensorSpec((None, 6)), tf.TensorSpec((None,), tf.int32)]
    )

    for targets in TARGETS.values():
        hidden, targets = hidden_vectors(len(targets), 6), np.array(targets, np.int32)
        expected = layer.cross_entropy(hidden, targets)
        np.testing.assert_allclose(cross_entropy(hidden, targets), expected, atol=1e-6)


@pytest.mark.parametrize("huge", [1e4, 1e30])
def test_huge_logits_stay_finite(softmax_of, huge):
    layer = softmax_of([[huge], [0.0]], [0.0, 0.0])

    nats = layer.cross_entropy(np.ones((2, 1), np.float32), np.array([0, 1], np.int32))

    np.testing.assert_allclose(nats, [0.0, huge])


def test_a_projection_stands_between_the_hidden_vector_and_the_word_vectors(make_softmax):
    layer = make_softmax(((2, 1),), 2)
    layer.projection.assign([[1.0], [-3.0]])
    layer.vectors.tables[0].assign([[2.0], [0.0]])
    layer.bias.assign([0.0, 0.0])

    nats = layer.cross_entropy(np.array([[5.0, 1.0]], np.float32), np.array([1], np.int32))

    # (5, 1) is projected to 5 - 3 = 2; the logits are 2 * 2 and 0.
    np.testing.assert_allclose(nats, [4.0 + math.log(1.0 + math.exp(-4.0))], rtol=1e-5)


@pytest.mark.parametrize(
    ("clusters", "hidden_units", "names"),
    [
        (ONE_CLUSTER, 6, {"softmax.bias"}),
        (ONE_CLUSTER, 4, {"softmax.bias", "softmax.projection"}),
        (THREE_CLUSTERS, 6, {"softmax.bias", "softmax.clusters", "softmax.clusters.bias"}),
    ],
)
def test_there_are_weights_for_the_clusters_and_the_projection_where_they_are_needed(
    make_softmax, clusters, hidden_units, names
):
    assert set(make_softmax(clusters, hidden_units).named_weights()) == names


@pytest.mark.parametrize("clusters", [ONE_CLUSTER, THREE_CLUSTERS], ids=["full", "adaptive"])
def test_in_mixed_precision_the_numbers_are_those_of_float32_but_for_rounding(make_softmax, clusters):
    hidden, targets = hidden_vectors(8, 6), np.array(TARGETS["everywhere"], np.int32)
    exact, rounded = make_softmax(clusters), make_softmax(clusters, dtype="bfloat16")

    # bfloat16 keeps 8 binary digits: a factor is off by up to 1/256 of itself.
    nats = np.asarray(rounded.cross_entropy(hidden, targets))
    np.testing.assert_allclose(nats, exact.cross_entropy(hidden, targets), atol=0.05)
    found = gradients(rounded, hidden, lambda hidden: rounded.cross_entropy(hidden, targets))
    for name, gradient in gradients(exact, hidden, lambda hidden: exact.cross_entropy(hidden, targets)).items():
        np.testing.assert_allclose(found[name], gradient, atol=0.03 * np.abs(gradient).max(), err_msg=name)


def test_in_mixed_precision_the_bias_keeps_its_float32_digits(softmax_of):
    # 2^-12 beside 1 has more digits than the 8 that bfloat16 keeps.
    layer = softmax_of([[0.0], [0.0]], [1.0 + 2.0**-12, 1.0], dtype="bfloat16")

    log_probs = np.asarray(layer(np.ones((1, 1), np.float32)))[0]

    assert log_probs[0] - log_probs[1] == pytest.approx(2.0**-12, abs=1e-6)
