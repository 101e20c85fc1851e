import numpy as np
import pytest

from lmctl.runtime import softmax as runtime_softmax


@pytest.fixture
def make_softmax(cpu):
    import keras

    from lmctl.networks.softmax import FullSoftmax

    def make(table, bias, *, tied=False, dtype="float32"):
        table = np.array(table, np.float32)
        embedding = None
        if tied:
            embedding = keras.layers.Embedding(*table.shape, dtype=dtype)
            embedding.build()
            embedding.embeddings.assign(table)
        layer = FullSoftmax(len(table), initializer="zeros", tied_to=embedding, dtype=keras.DTypePolicy(dtype))
        layer.build((None, table.shape[1]))
        if not tied:
            layer.embedding.assign(table)
        layer.bias.assign(np.array(bias, np.float32))
        return layer

    return make


@pytest.mark.parametrize("tied", [False, True])
def test_logits_are_products_with_every_words_embedding_plus_its_bias(make_softmax, tied):
    layer = make_softmax([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]], [0.5, 0.0, -1.0], tied=tied)

    logits = layer(np.array([[1.0, 2.0], [0.0, 1.0]], np.float32))

    # 1*1 + 0*2 + 0.5, 2*1 - 1*2 + 0, 0*1 + 3*2 - 1; and the same of (0, 1).
    np.testing.assert_allclose(logits, [[1.5, 0.0, 5.0], [0.5, -1.0, 2.0]])


def test_logits_are_float32_in_mixed_precision_too(make_softmax):
    layer = make_softmax([[1.0, 0.0], [2.0, -1.0]], [0.5, 0.0], dtype="mixed_bfloat16")

    logits = layer(np.array([[1.0, 2.0]], np.float32))

    assert np.asarray(logits).dtype == np.float32
    np.testing.assert_allclose(logits, [[1.5, 0.0]])


def test_in_mixed_precision_the_bias_keeps_its_float32_digits(make_softmax):
    # 1 + 2^-12 has more digits than the 8 that bfloat16 keeps.
    layer = make_softmax([[0.0]], [1.0 + 2.0**-12], dtype="mixed_bfloat16")

    assert np.asarray(layer(np.ones((1, 1), np.float32))).item() == 1.0 + 2.0**-12


def test_the_runtimes_softmax_gives_the_same_distribution(make_softmax):
    generator = np.random.default_rng(8)
    table, bias = generator.normal(size=(30, 5)).astype(np.float32), generator.normal(size=30).astype(np.float32)
    hidden = generator.normal(size=(4, 5)).astype(np.float32)

    logits = np.asarray(make_softmax(table, bias)(hidden), np.float64)

    np.testing.assert_allclose(
        runtime_softmax.FullSoftmax(table, bias).log_probs(hidden),
        logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)),
        atol=1e-5,
    )
