import numpy as np
import pytest

from lmctl.families.vae import encoder
from lmctl.families.vae.runtime import VAELanguageModel

SENTENCES = [[3, 5, 1], [1], [2, 6, 6, 4, 0, 1], [5, 1]]


def side_by_side(sentences):
    """Token ids (T, B), padded with an id whose vector must not matter, and the lengths (B,)."""
    lengths = np.array([len(sentence) for sentence in sentences])
    token_ids = np.full((lengths.max(), len(sentences)), 4)
    for column, sentence in enumerate(sentences):
        token_ids[: len(sentence), column] = sentence
    return token_ids, lengths


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_the_posterior_is_that_of_the_encoder_written_out(sizes, make_weights):
    weights = {name: weight.astype(np.float64) for name, weight in make_weights(sizes).items()}
    model = VAELanguageModel(sizes, make_weights(sizes))

    mean, log_variance = model.encoder.posterior(*side_by_side(SENTENCES))

    for column, sentence in enumerate(SENTENCES):
        hidden, cell = np.zeros(5), np.zeros(5)
        for word in sentence:
            gates = weights["embedding"][word] @ weights["encoder.kernel"]
            gates += hidden @ weights["encoder.recurrent_kernel"] + weights["encoder.bias"]
            enters, forgets, candidate, leaves = np.split(gates, 4)
            cell = sigmoid(forgets) * cell + sigmoid(enters) * np.tanh(candidate)
            hidden = sigmoid(leaves) * np.tanh(cell)
        expected = hidden @ weights["code.kernel"] + weights["code.bias"]
        np.testing.assert_allclose(mean[column], expected[:2], atol=1e-5)
        np.testing.assert_allclose(log_variance[column], expected[2:], atol=1e-5)


@pytest.mark.usefixtures("cpu")
@pytest.mark.parametrize("shape", [{}, {"adaptive": True}, {"adaptive": True, "tied": True}])
def test_the_posterior_is_that_of_the_network(make_sizes, make_weights, shape):
    """As in training, where a sentence is at the start of its segment."""
    from lmctl.families.vae.keras.network import Regularization, VAENetwork

    sizes = make_sizes(**shape)
    weights = make_weights(sizes)
    network = VAENetwork(sizes, regularization=Regularization(), init_scale=0.1, seed=1)
    network.import_weights(weights)
    token_ids, lengths = side_by_side(SENTENCES)

    mean, log_variance, ends = network.encoded(token_ids.astype(np.int32))
    found = VAELanguageModel(sizes, weights).encoder.posterior(token_ids, lengths)

    np.testing.assert_array_equal(np.asarray(ends)[0], lengths - 1)
    np.testing.assert_allclose(found[0], np.asarray(mean)[0], atol=1e-4)
    np.testing.assert_allclose(found[1], np.asarray(log_variance)[0], atol=1e-4)


@pytest.mark.parametrize("at_once", [1, 8, 1 << 13])
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_sentence_has_the_same_bits_in_any_company_and_in_blocks(
    make_sizes, make_weights, monkeypatch, adaptive, at_once
):
    sizes = make_sizes(adaptive=adaptive)
    model = VAELanguageModel(sizes, make_weights(sizes))
    together = model.encoder.posterior(*side_by_side(SENTENCES))
    monkeypatch.setattr(encoder, "POSITIONS_AT_ONCE", at_once)

    again = model.encoder.posterior(*side_by_side(SENTENCES))

    for part in range(2):
        np.testing.assert_array_equal(again[part], together[part])
    for column, sentence in enumerate(SENTENCES):
        alone = model.encoder.posterior(*side_by_side([sentence]))
        for part in range(2):
            np.testing.assert_array_equal(alone[part][0], together[part][column])


def test_the_vector_of_a_sentence_is_the_mean_of_its_code(sizes, make_weights):
    model = VAELanguageModel(sizes, make_weights(sizes))
    words, lengths = side_by_side([sentence[:-1] for sentence in SENTENCES])

    found = model.sentence_vectors(words, lengths)

    np.testing.assert_array_equal(found, model.encoder.posterior(*side_by_side(SENTENCES))[0])
    assert found.shape == (4, 2)
    assert model.sentence_vectors(words[:0], lengths * 0).shape == (4, 2)
