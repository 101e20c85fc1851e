import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families import base
from lmctl.families.cached import memory
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.mixture.runtime import MixtureLanguageModel

token_lists = st.lists(st.integers(0, 8), min_size=1, max_size=30)


@pytest.fixture(scope="module", params=["features", "ages", "mixture"])
def model(request, make_bigram, make_lstm):
    """A model with features, a model without, and a mixture of two such models."""
    if request.param == "mixture":
        return MixtureLanguageModel([make_bigram(1), make_lstm(2)], [0.4, 0.6])
    return make_lstm(2) if request.param == "features" else make_bigram(1)


def cached(model, size=5, weight=0.3, theta=2.0):
    return CachedLanguageModel(model, CacheParameters(weight=weight, theta=theta), size)


def slow_distributions(cache, token_ids):
    """Probabilities of all words after every token of a text that is read from the null state, (T, V).

    The formula is the one of Grave, Joulin & Usunier 2017 with unit vectors, or a weight of exp(-theta d) for the
    word d tokens ago. It is computed in float64, one stored pair at a time.
    """
    model, parameters = cache.model, cache.parameters
    state = model.null_state(1)
    pairs, rows = [], []
    context = None
    for place, token_id in enumerate(token_ids):
        if place:
            pairs = [*pairs, (context, token_id)][-cache.size :]
        state = model.advance(state, np.array([[token_id]]))
        if model.has_features:
            context = model.features(state)[0].astype(np.float64)
            context /= math.sqrt(sum(context**2))
        probs = np.exp(model.log_probs(state)[0].astype(np.float64))
        votes = np.zeros(model.vocabulary_size)
        for age, (key, word) in zip(range(len(pairs), 0, -1), pairs, strict=True):
            affinity = -age if key is None else sum(key * context)
            votes[word] += math.exp(parameters.theta * affinity)
        if pairs:
            probs = (1.0 - parameters.weight) * probs + parameters.weight * votes / votes.sum()
        rows.append(probs)
    return np.array(rows)


def score_in_parts(cache, token_ids, cuts):
    """Log probability of every token after the first; the text is read from the null state, in parts."""
    inputs, targets = np.array(token_ids[:-1]), np.array(token_ids[1:])
    state = cache.null_state(1)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(inputs)], strict=True):
        scores, state = cache.score(
            inputs[start:end, None], targets[start:end, None], np.array([end - start]), state
        )
        found.append(scores.log_probs[:, 0])
    return np.concatenate(found), state


def test_votes_by_hand(make_bigram):
    # theta = ln 2: the weight of a word d tokens ago is half the weight of a word d - 1 tokens ago.
    cache = cached(make_bigram([[0.25] * 4] * 4), size=3, weight=0.5, theta=math.log(2.0))

    state = cache.advance(cache.null_state(1), np.array([[1], [2], [3], [3], [2], [0]]))

    # The cache has 3, 2, 0 with weights 1 : 2 : 4. The model has half of the probability, 1/8 a word.
    expected = [1 / 8 + 2 / 7, 1 / 8, 1 / 8 + 1 / 7, 1 / 8 + 1 / 14]
    np.testing.assert_allclose(np.exp(cache.log_probs(state)), [expected], rtol=1e-6)
    token_ids, log_probs = cache.top_k(state, 2)
    assert token_ids.tolist() == [[0, 2]]
    np.testing.assert_allclose(np.exp(log_probs), [[expected[0], expected[2]]], rtol=1e-6)


def test_a_word_that_followed_the_same_context_has_the_greater_vote(make_lstm):
    # Cosines of 1 and -1: weights e^theta : e^-theta.
    model = make_lstm(2)
    state = model.advance(model.null_state(1), np.array([[4]]))
    context = model.features(state)[0]
    contexts = np.array([context, context, -3.0 * context, 2.0 * context])
    memory.make_unit_vectors(contexts)
    remembered = memory.Memory.empty(4).reading(contexts, np.array([0, 7, 8]), size=9)

    (log_probs,) = remembered.log_probs(np.array([0, 7, 7]), [0.5])

    np.testing.assert_array_equal(remembered.remembering, [False, True, True])
    # After the first token, the cache is empty; then it has 7, which followed the context; then also 8, which
    # followed its opposite.
    np.testing.assert_allclose(log_probs, [-math.inf, 0.0, -math.log(1.0 + math.exp(-1.0))], atol=1e-6)


@given(token_ids=token_lists, size=st.integers(1, 12), weight=st.floats(0.0, 0.9), theta=st.floats(0.01, 20.0))
def test_distributions_are_those_of_the_formula(model, token_ids, size, weight, theta):
    cache = cached(model, size, weight, theta)
    expected = slow_distributions(cache, token_ids)

    found, end = cache.advance_with_log_probs(cache.null_state(1), np.array(token_ids)[:, None])
    state = cache.advance(cache.null_state(1), np.array(token_ids)[:, None])

    np.testing.assert_allclose(np.exp(found[:, 0]), expected, atol=1e-6)
    np.testing.assert_allclose(np.exp(cache.log_probs(end)), expected[-1:], atol=1e-6)
    np.testing.assert_allclose(np.exp(cache.log_probs(state)), expected[-1:], atol=1e-6)
    np.testing.assert_allclose(np.exp(found[:, 0].astype(np.float64)).sum(axis=1), 1.0, atol=1e-6)


@given(token_ids=st.lists(st.integers(0, 8), min_size=2, max_size=40), size=st.integers(1, 12), cutting=st.data())
def test_scores_do_not_depend_on_how_the_text_is_cut(model, token_ids, size, cutting):
    cache = cached(model, size)
    cuts = sorted(cutting.draw(st.lists(st.integers(0, len(token_ids) - 1), max_size=5)))
    probs = slow_distributions(cache, token_ids)[:-1]
    expected = np.log(probs[np.arange(len(probs)), token_ids[1:]])

    found, end = score_in_parts(cache, token_ids, cuts)
    state = cache.null_state(1)
    for start, stop in zip([0, *cuts], [*cuts, len(token_ids) - 1], strict=True):
        state = cache.advance(state, np.array(token_ids[start:stop], dtype=np.int64)[:, None])

    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(cache.log_probs(state), cache.log_probs(end), atol=1e-5)


@pytest.mark.parametrize(("affinities_at_once", "fewest_rows"), [(1, 1), (30, 2), (1 << 22, 7)])
@pytest.mark.parametrize("size", [1, 4, 50])
def test_sizes_of_blocks_change_nothing(model, monkeypatch, size, affinities_at_once, fewest_rows):
    token_ids = np.random.default_rng(5).integers(0, 9, 40).tolist()
    cache = cached(model, size)
    expected, _ = score_in_parts(cache, token_ids, [])
    distributions, _ = cache.advance_with_log_probs(cache.null_state(1), np.array(token_ids)[:, None])

    monkeypatch.setattr(memory, "AFFINITIES_AT_ONCE", affinities_at_once)
    monkeypatch.setattr(memory, "FEWEST_ROWS", fewest_rows)

    np.testing.assert_array_equal(score_in_parts(cache, token_ids, [])[0], expected)
    found, _ = cache.advance_with_log_probs(cache.null_state(1), np.array(token_ids)[:, None])
    np.testing.assert_array_equal(found, distributions)


@pytest.mark.parametrize("ranks", [False, True])
def test_columns_of_different_lengths_do_not_touch_each_other(model, monkeypatch, ranks):
    monkeypatch.setattr(base, "DISTRIBUTIONS_AT_ONCE", 80)
    cache = cached(model)
    inputs, targets = np.random.default_rng(6).integers(0, 9, (2, 8, 4))
    before = np.random.default_rng(7).integers(0, 9, (7, 4))
    lengths, lengths_before = np.array([8, 0, 3, 5]), np.array([7, 2, 0, 1])
    start = cache.advance(cache.null_state(4), before, lengths_before)

    found, end = cache.score(inputs, targets, lengths, start, ranks=ranks)
    advanced = cache.advance(start, inputs, lengths)

    for column, (length, length_before) in enumerate(zip(lengths, lengths_before, strict=True)):
        text = np.concatenate([before[:length_before, column], inputs[:length, column]])
        if not len(text):
            continue
        probs = slow_distributions(cache, text)
        of_targets = probs[length_before:, :][np.arange(length), targets[:length, column]]
        np.testing.assert_allclose(found.log_probs[:length, column], np.log(of_targets), atol=1e-6)
        assert not found.log_probs[length:, column].any()
        if ranks:
            expected = (probs[length_before:] >= of_targets[:, None] * (1.0 - 1e-7)).sum(axis=1)
            np.testing.assert_array_equal(found.ranks[:length, column], expected)
            assert not found.ranks[length:, column].any()
        for state in (end, advanced):
            np.testing.assert_allclose(np.exp(cache.log_probs(state)[column]), probs[-1], atol=1e-6)


def test_with_nothing_remembered_the_model_answers_alone(model):
    cache = cached(model, weight=0.9)
    inputs = np.array([[3, SENTENCE_END_ID]])
    alone = model.advance(model.null_state(2), inputs)

    state = cache.advance(cache.null_state(2), inputs)
    scores, _ = cache.score(inputs, inputs, np.array([1, 1]), cache.null_state(2))

    # The first token of a text followed no token, and is not in the cache.
    np.testing.assert_array_equal(cache.log_probs(state), model.log_probs(alone))
    np.testing.assert_array_equal(cache.log_probs(cache.null_state(2)), model.log_probs(model.null_state(2)))
    expected, _ = model.score(inputs, inputs, np.array([1, 1]), model.null_state(2))
    np.testing.assert_array_equal(scores.log_probs, expected.log_probs)


@pytest.mark.parametrize("theta", [1e-30, 1e4, 1e6])
def test_the_weights_of_a_cache_stay_finite_for_every_theta(model, theta):
    cache = cached(model, theta=theta)
    token_ids = np.random.default_rng(8).integers(0, 9, (30, 1))

    found, _ = cache.advance_with_log_probs(cache.null_state(1), token_ids)

    np.testing.assert_allclose(np.exp(found.astype(np.float64)).sum(axis=2), 1.0, atol=1e-6)


def test_a_state_is_never_changed_in_place(model):
    cache = cached(model, size=3)
    state = cache.advance(cache.null_state(1), np.array([[2], [3], [4], [5]]))
    kept = [(each.keys.copy(), each.words.copy()) for each in state.memories]
    log_probs = cache.log_probs(state)

    cache.advance(state, np.array([[6], [7]]))
    cache.score(np.array([[6]]), np.array([[7]]), np.array([1]), state)

    np.testing.assert_array_equal(state.memories[0].keys, kept[0][0])
    np.testing.assert_array_equal(state.memories[0].words, kept[0][1])
    np.testing.assert_array_equal(cache.log_probs(state), log_probs)


def test_a_state_remembers_so_many_words_and_keeps_no_more_alive(model):
    cache = cached(model, size=3)

    state = cache.advance(cache.null_state(1), np.arange(8)[:, None])

    assert state.memories[0].words.tolist() == [5, 6, 7]
    assert state.memories[0].keys.shape[0] == 3
    assert state.memories[0].keys.base is None
    assert state.memories[0].words.base is None


@pytest.mark.parametrize("ranks", [False, True])
def test_features_are_the_models(model, ranks):
    cache = cached(model)
    inputs, targets = np.random.default_rng(9).integers(0, 9, (2, 6, 2))
    lengths = np.array([6, 6])

    assert cache.has_features == model.has_features
    if not model.has_features:
        with pytest.raises(NotImplementedError, match="has no features"):
            cache.features(cache.null_state(2))
        return
    found, _ = cache.score(inputs, targets, lengths, cache.null_state(2), ranks=ranks, features=True)
    expected, end = model.advance_with_features(model.null_state(2), inputs)
    np.testing.assert_allclose(found.features, expected, atol=1e-6)
    along, state = cache.advance_with_features(cache.null_state(2), inputs)
    np.testing.assert_allclose(along, expected, atol=1e-6)
    np.testing.assert_allclose(cache.features(state), model.features(end), atol=1e-6)
    without, _ = cache.score(inputs, targets, lengths, cache.null_state(2), ranks=ranks)
    assert without.features is None


def test_a_text_that_repeats_itself_becomes_more_probable(model):
    token_ids = [2, 5, 7, 3, 8, 4] * 5

    cache = cached(model, size=20, theta=3.0 if model.has_features else 0.01)
    with_cache, _ = score_in_parts(cache, token_ids, [])
    without, _ = score_in_parts(cached(model, weight=0.0), token_ids, [])

    assert with_cache[6:].mean() > without[6:].mean() + 0.1


def test_the_vectors_of_sentences_are_those_of_the_model(model):
    token_ids, lengths = np.random.default_rng(5).integers(0, 9, (6, 3)), np.array([6, 0, 4])
    if not model.has_features:
        with pytest.raises(NotImplementedError):
            cached(model).sentence_vectors(token_ids, lengths)
        return

    np.testing.assert_array_equal(
        cached(model).sentence_vectors(token_ids, lengths), model.sentence_vectors(token_ids, lengths)
    )
