import numpy as np
import pytest

from lmctl.layers.positions import rotated

pytestmark = pytest.mark.usefixtures("cpu")


def seen(bias):
    return (np.asarray(bias) > -1e8).astype(int).tolist()


def test_a_position_sees_itself_and_those_before_it_up_to_the_context():
    from lmctl.layers.keras.attention import causal_bias

    # Two positions in the memory, three new ones, a context of three: a moving window.
    assert seen(causal_bias(3, 2, 3)) == [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    # The segment is longer than the context, so its last position does not see its first one.
    assert seen(causal_bias(3, 1, 2)) == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert seen(causal_bias(2, 0, 1)) == [[1, 0], [0, 1]]


def test_slopes_lower_a_score_in_proportion_to_the_distance():
    from lmctl.layers.keras.attention import causal_bias

    bias = np.asarray(causal_bias(1, 2, 3, np.array([0.5, 0.25])))

    np.testing.assert_array_equal(bias, [[[-1.0, -0.5, 0.0]], [[-0.5, -0.25, 0.0]]])


def test_places_at_which_a_column_has_read_nothing_are_hidden():
    from lmctl.layers.keras.attention import memory_bias

    bias = memory_bias(np.array([0, 1, 3, 100], np.int32), 3, 2)

    assert bias.shape == (4, 1, 1, 5)
    assert seen(bias[:, 0, 0]) == [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]


def test_weights_are_the_softmax_of_scaled_products():
    from lmctl.layers.keras.attention import attend

    rng = np.random.default_rng(1)
    queries, keys, values = (rng.normal(size=(2, 3, steps, 4)).astype(np.float32) for steps in (5, 7, 7))
    bias = rng.normal(size=(5, 7)).astype(np.float32)

    # Vaswani et al. 2017, equation 1.
    weights = np.exp(queries @ keys.transpose(0, 1, 3, 2) / 2 + bias)
    weights /= weights.sum(axis=3, keepdims=True)
    np.testing.assert_allclose(attend(queries, keys, values, bias, dtype="float32"), weights @ values, atol=1e-5)


def test_dropout_is_of_the_weights_which_are_not_normalised_again():
    from lmctl.layers.keras.attention import attend

    rng = np.random.default_rng(1)
    queries, keys, values = (rng.normal(size=(2, 3, steps, 4)).astype(np.float32) for steps in (5, 7, 7))
    mask = np.where(rng.random((2, 3, 5, 7)) < 0.5, 0.0, 2.0).astype(np.float32)

    found = attend(queries, keys, values, 0.0, dtype="float32", drop=lambda weights: weights * mask)

    weights = np.exp(queries @ keys.transpose(0, 1, 3, 2) / 2)
    weights /= weights.sum(axis=3, keepdims=True)
    np.testing.assert_allclose(found, (weights * mask) @ values, atol=1e-5)


@pytest.mark.parametrize("offset", [0, 12_345_678])
def test_vectors_are_turned_as_the_runtime_turns_them(offset):
    from lmctl.layers.keras.attention import rotate

    vectors = np.random.default_rng(2).normal(size=(2, 3, 5, 8)).astype(np.float32)
    read = np.array([offset, offset + 7], np.int32)

    turned = rotated(vectors.transpose(0, 2, 1, 3), read[:, None] + np.arange(5))

    np.testing.assert_allclose(rotate(vectors, read), turned.transpose(0, 2, 1, 3), atol=1e-6)


def test_a_word_sees_its_own_sentence_as_in_the_runtime():
    from lmctl.layers.attention import seen_within_sentences
    from lmctl.layers.keras.attention import sentence_bias

    is_end = np.random.default_rng(1).random((5, 12)) < 0.3
    expected = seen_within_sentences(is_end, np.ones((5, 12), bool))

    bias = sentence_bias(is_end, 12)
    assert bias.shape == (5, 1, 12, 12)
    assert seen(bias[:, 0]) == expected.astype(int).tolist()
    # A context hides what is farther away.
    near = np.abs(np.arange(12)[:, None] - np.arange(12)) < 3
    assert seen(sentence_bias(is_end, 3)[:, 0]) == (expected & near).astype(int).tolist()
