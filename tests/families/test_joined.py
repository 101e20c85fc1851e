"""A model over a larger vocabulary: what it does not know shares the probability of its `<unk>`."""

from __future__ import annotations

import numpy as np
import pytest

from lmctl.corpus.vocabulary import Vocabulary
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.joined import JoinedLanguageModel, join_vocabulary
from lmctl.families.mixture.runtime import MixtureLanguageModel
from lmctl.families.ngram.runtime import NgramLanguageModel

OWN = ("<unk>", "</s>", "a", "b", "c", "d", "e", "f", "g")
# Two words are new, and the others are in another order.
JOINED = ("<unk>", "</s>", "new", "b", "a", "c", "other", "g", "f", "e", "d")
OWN_IDS = [0, 1, 0, 3, 2, 4, 0, 8, 7, 6, 5]


def vocabulary(words):
    return Vocabulary(words, (0,) * len(words))


@pytest.fixture(params=["lstm", "bigram"])
def models(request, make_lstm, make_bigram):
    """A model of nine words, and the same over eleven words."""
    model = make_lstm(3) if request.param == "lstm" else make_bigram(3)
    return model, join_vocabulary(model, vocabulary(OWN), vocabulary(JOINED))


def test_new_words_and_the_unknown_word_share_alike_and_the_others_keep_their_probabilities(models):
    model, joined = models
    text = np.array([[4, 2], [6, 9], [3, 0]])

    found = np.exp(joined.log_probs(joined.advance(joined.initial_state(2), text)), dtype=np.float64)

    own = np.exp(
        model.log_probs(model.advance(model.initial_state(2), np.array([[2, 0], [0, 6], [3, 0]]))),
        dtype=np.float64,
    )
    shares = np.array([1 / 3 if word == 0 else 1.0 for word in OWN_IDS])
    np.testing.assert_allclose(found, own[:, OWN_IDS] * shares, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)


def test_scores_are_those_of_the_distributions(models):
    _, joined = models
    inputs, targets = np.array([[1, 1], [2, 3], [6, 7]]), np.array([[2, 3], [6, 7], [10, 1]])
    lengths = np.array([3, 2])

    scores, state = joined.score(inputs, targets, lengths, joined.null_state(2))

    along, _ = joined.advance_with_log_probs(joined.null_state(2), inputs, lengths)
    expected = np.take_along_axis(along, targets[..., None], axis=2)[..., 0]
    expected[2, 1] = 0
    np.testing.assert_allclose(scores.log_probs, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        joined.log_probs(state), joined.log_probs(joined.advance(joined.null_state(2), inputs, lengths)), atol=1e-6
    )
    ranked, _ = joined.score(inputs, targets, lengths, joined.null_state(2), ranks=True)
    assert ranked.ranks[0, 0] == np.count_nonzero(along[0, 0] >= along[0, 0, 2])


def test_the_same_words_are_the_model_itself(make_lstm):
    model = make_lstm(1)

    assert join_vocabulary(model, vocabulary(OWN), vocabulary(OWN)) is model


def test_mixed_with_a_model_of_all_words_every_word_has_a_probability(make_lstm, make_bigram):
    larger = make_bigram(np.random.default_rng(1).dirichlet(np.ones(11), 11).tolist())
    joined = join_vocabulary(make_lstm(2), vocabulary(OWN), vocabulary(JOINED))
    mixture = MixtureLanguageModel([joined, larger], [0.25, 0.75])

    found = np.exp(mixture.log_probs(mixture.initial_state(1)), dtype=np.float64)[0]

    expected = 0.25 * np.exp(joined.log_probs(joined.initial_state(1)))[0] + 0.75 * np.exp(larger.table[1])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.sum() == pytest.approx(1, abs=1e-6)


def test_vectors_and_features_are_those_of_the_model(make_lstm):
    model = make_lstm(4)
    joined = JoinedLanguageModel(model, np.array(OWN_IDS))

    np.testing.assert_array_equal(joined.word_vectors(), model.word_vectors()[OWN_IDS])
    state = joined.advance(joined.initial_state(1), np.array([[10]]))
    np.testing.assert_array_equal(
        joined.features(state), model.features(model.advance(model.initial_state(1), np.array([[5]])))
    )


def test_the_n_grams_of_a_member_are_found_through_mixture_and_vocabulary(make_lstm, estimate_text):
    own, tables = estimate_text("a b\nb a b\n", order=3, smoothing="mle")
    words = (*own.words, "new")
    counted, network = NgramLanguageModel(tables), make_lstm(3)
    mixture = MixtureLanguageModel(
        [
            join_vocabulary(network, vocabulary(OWN), vocabulary(OWN)),
            join_vocabulary(counted, own, vocabulary(words)),
        ],
        [0.5, 0.5],
    )
    a, b, new = (words.index(word) for word in ("a", "b", "new"))
    inputs, targets = np.array([[1], [b], [a], [b], [new]]), np.array([[b], [a], [b], [new], [1]])

    ngrams = mixture.ngram_model()
    scores, _ = ngrams.score(inputs, targets, np.array([5]), ngrams.null_state(1))

    # `</s> b`, `</s> b a` and `b a b` came; nothing came before or after an unknown word.
    assert scores.ngram_lengths.ravel().tolist() == [2, 3, 3, 1, 1]
    assert network.ngram_model() is None
    assert counted.ngram_model() is counted
    assert CachedLanguageModel(counted, CacheParameters(weight=0.5, theta=1.0), 10).ngram_model() is counted
