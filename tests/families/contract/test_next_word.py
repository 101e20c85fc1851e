"""The contract of models that predict the next word, for every registered family."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from family_contract import NAMES, NEXT_WORD

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.query.context_reader import ContextReader
from lmctl.query.filling import Filler
from lmctl.query.model import Model
from lmctl.query.scoring import score_sentences
from lmctl.store.bundle import open_bundle
from lmctl.store.figures import Metrics
from lmctl.store.verification import verify_bundle


@pytest.fixture(params=NEXT_WORD)
def bundle(request, models):
    return open_bundle((models(request.param) / "current").resolve())


@pytest.fixture(params=[False, True], ids=["", "many-columns"])
def model(request, bundle):
    loaded = families.load_language_model(bundle)
    return loaded.for_many_columns() if request.param else loaded


@pytest.fixture
def token_ids(model):
    """Random tokens, (7, 5)."""
    return np.random.default_rng(1).integers(0, model.vocabulary_size, (7, 5))


def test_a_bundle_names_its_family_and_is_sound(bundle, model):
    assert bundle.family in NAMES
    verify_bundle(bundle.folder)
    assert model.vocabulary_size == len(bundle.vocabulary())
    assert bundle.parameters() > 0
    assert families.find(bundle.family).describe(bundle.sizes)["family"].startswith(bundle.family)


def test_each_row_sums_to_one(model, token_ids):
    for state in (model.null_state(5), model.initial_state(5), model.advance(model.null_state(5), token_ids)):
        rows = np.exp(model.log_probs(state).astype(np.float64))

        assert rows.shape == (5, model.vocabulary_size)
        assert rows.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("cuts", [[1, 2, 3, 4, 5, 6], [3], [2, 2, 5]])
def test_a_text_that_is_read_in_pieces_leaves_the_state_of_one_that_is_read_at_once(model, token_ids, cuts):
    whole = model.log_probs(model.advance(model.initial_state(5), token_ids))

    state = model.initial_state(5)
    for piece in np.split(token_ids, cuts):
        state = model.advance(state, piece)

    np.testing.assert_array_equal(model.log_probs(state), whole)


def test_columns_of_other_lengths_are_answered_as_each_is_alone(model, token_ids):
    lengths = np.array([7, 0, 3, 1, 6])

    together = model.log_probs(model.advance(model.initial_state(5), token_ids, lengths))

    for column, length in enumerate(lengths):
        alone = model.advance(model.initial_state(1), token_ids[:length, column : column + 1])
        np.testing.assert_array_equal(together[column], model.log_probs(alone)[0])


def test_the_form_for_many_columns_continues_a_state_with_the_same_probabilities(bundle, token_ids):
    model = families.load_language_model(bundle)
    wide = model.for_many_columns()
    state = model.advance(model.initial_state(5), token_ids[:4])

    np.testing.assert_allclose(
        wide.log_probs(wide.advance(state, token_ids[4:])),
        model.log_probs(model.advance(state, token_ids[4:])),
        rtol=1e-5,
        atol=1e-5,
    )
    assert type(wide) is type(model)


def test_columns_that_are_selected_continue_as_they_would_have_beside_each_other(model, token_ids):
    columns = np.array([3, 0, 3])
    whole = model.log_probs(model.advance(model.initial_state(5), token_ids))

    selected = model.select_columns(model.advance(model.initial_state(5), token_ids[:4]), columns)

    np.testing.assert_array_equal(model.log_probs(model.advance(selected, token_ids[4:, columns])), whole[columns])


def test_columns_that_were_read_apart_continue_side_by_side_as_they_would_have_apart(model, token_ids):
    lengths = [7, 0, 3, 1, 6]
    apart = [
        model.advance(model.null_state(1), token_ids[:length, column : column + 1])
        for column, length in enumerate(lengths)
    ]
    pair = model.advance(model.null_state(2), token_ids[:4, 1:3])

    joined = model.join([*apart, pair])

    whole = model.log_probs(model.advance(joined, token_ids[:3, [0, 1, 2, 3, 4, 1, 2]]))
    for column, state in enumerate(apart):
        alone = model.advance(state, token_ids[:3, column : column + 1])
        np.testing.assert_array_equal(whole[column], model.log_probs(alone)[0])
    np.testing.assert_array_equal(whole[5:], model.log_probs(model.advance(pair, token_ids[:3, 1:3])))


def test_contexts_with_common_beginnings_are_answered_as_each_is_alone(model, token_ids):
    text = np.tile(token_ids.ravel(), 2).tolist()
    contexts = [text[:length] for length in (40, 41, 42, 0, 5, 41, 70, 23)]
    contexts += [[*text[:40], first, *text[:rest]] for first, rest in ((0, 3), (1, 0), (0, 9), (2, 30))]
    reader = ContextReader(model)

    for some in (contexts, contexts[:1], contexts[8:9], [*contexts[4:], [*contexts[-1], 1, 1]]):
        found = {}
        for places, state in reader.read(some):
            found |= dict(zip(places, model.log_probs(state), strict=True))
        assert sorted(found) == list(range(len(some)))
        for place, context in enumerate(some):
            alone = model.advance(model.null_state(1), np.array(context, dtype=np.int64)[:, None])
            np.testing.assert_array_equal(found[place], model.log_probs(alone)[0])


def test_tokens_before_the_context_length_change_nothing(model, token_ids):
    length = model.context_length
    if length is None:
        return
    ends = np.tile(token_ids[: min(length, 7), :1], (1, 5))
    assert len(ends) == length

    log_probs = model.log_probs(model.advance(model.initial_state(5), np.concatenate([token_ids, ends])))

    np.testing.assert_array_equal(log_probs, np.tile(log_probs[:1], (5, 1)))


def test_a_score_is_the_log_probability_of_the_target_and_a_rank_its_place(model, token_ids):
    inputs, targets, lengths = token_ids[:-1], token_ids[1:], np.array([6, 0, 2, 5, 6])
    state = model.initial_state(5)

    scores, after = model.score(inputs, targets, lengths, state, ranks=True)
    plain, _ = model.score(inputs, targets, lengths, state)

    along, _ = model.advance_with_log_probs(state, inputs, lengths)
    for column, length in enumerate(lengths):
        for step in range(length):
            row, target = along[step, column], targets[step, column]
            assert scores.log_probs[step, column] == pytest.approx(row[target], abs=1e-5)
            assert plain.log_probs[step, column] == pytest.approx(row[target], abs=1e-5)
            assert scores.ranks[step, column] == np.count_nonzero(row >= row[target])
        assert not scores.log_probs[length:, column].any()
        assert not scores.ranks[length:, column].any()
    np.testing.assert_array_equal(model.log_probs(after), model.log_probs(model.advance(state, inputs, lengths)))


def test_the_distributions_along_a_text_are_those_after_each_of_its_words(model, token_ids):
    lengths = np.array([7, 0, 3, 1, 6])

    along, _ = model.advance_with_log_probs(model.initial_state(5), token_ids, lengths)

    for column, length in enumerate(lengths):
        state = model.initial_state(1)
        for step in range(length):
            state = model.advance(state, token_ids[step, column].reshape(1, 1))
            np.testing.assert_array_equal(along[step, column], model.log_probs(state)[0])


@pytest.mark.parametrize("k", [0, 1, 3, 10**6])
def test_the_top_k_are_the_first_of_a_stable_sort(model, token_ids, k):
    state = model.advance(model.initial_state(5), token_ids)
    allowed = np.random.default_rng(2).random(model.vocabulary_size) < 0.7
    log_probs = model.log_probs(state)

    for mask in (None, allowed):
        ids, found = model.top_k(state, k, mask)

        candidates = np.arange(model.vocabulary_size) if mask is None else np.flatnonzero(mask)
        order = np.argsort(-log_probs[:, candidates], axis=1, kind="stable")[:, :k]
        np.testing.assert_array_equal(ids, candidates[order])
        np.testing.assert_allclose(found, np.take_along_axis(log_probs, ids, axis=1), atol=1e-5)


def test_tokens_are_drawn_as_from_the_whole_distribution(model, token_ids):
    state = model.select_columns(model.advance(model.initial_state(5), token_ids), np.repeat(np.arange(5), 20))
    # Places between those of evenly spaced borders; near a border, rounding decides.
    uniforms = np.tile((np.arange(20) + 1 / np.pi) / 20, 5)

    ids, found = model.sample(state, uniforms, UNKNOWN_ID)

    probs = np.exp(model.log_probs(state).astype(np.float64))
    probs[:, UNKNOWN_ID] = 0.0
    ends = np.cumsum(probs, axis=1) / probs.sum(axis=1, keepdims=True)
    rows = np.arange(100)
    assert (uniforms <= ends[rows, ids] + 1e-5).all()
    assert (uniforms >= ends[rows, ids - 1] - 1e-5).all()
    np.testing.assert_allclose(np.exp(found), probs[rows, ids], atol=1e-5)


def test_features_are_a_vector_for_each_context_if_there_are_any(model, token_ids):
    if not model.has_features:
        with pytest.raises(NotImplementedError):
            model.features(model.null_state(5))
        return
    state = model.null_state(5)
    along, after = model.advance_with_features(state, token_ids)
    scores, _ = model.score(token_ids[:-1], token_ids[1:], np.full(5, 6), state, features=True)

    assert along.shape[:2] == token_ids.shape
    np.testing.assert_array_equal(model.features(after), along[-1])
    np.testing.assert_array_equal(scores.features, along[:-1])


def test_a_sentence_has_a_vector_that_is_the_same_in_any_company_if_there_are_features(model, token_ids):
    if not model.has_features:
        with pytest.raises(NotImplementedError):
            model.sentence_vectors(token_ids, np.full(5, 7))
        return
    lengths = np.array([7, 0, 3, 1, 6])

    vectors = model.sentence_vectors(token_ids, lengths)

    assert (vectors.ndim, len(vectors), vectors.dtype) == (2, 5, np.float32)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) == 5
    for column, length in enumerate(lengths):
        alone = model.sentence_vectors(token_ids[:length, column : column + 1], lengths[column : column + 1])
        np.testing.assert_array_equal(alone[0], vectors[column])


def test_figures_of_its_own_have_names_with_underscores_and_are_the_same_again(bundle, token_ids):
    family = families.find(bundle.family)
    text = np.concatenate([token_ids, np.full((1, 5), SENTENCE_END_ID)]).T.ravel()

    figures = family.own_figures(bundle, text)

    metrics = msgspec.convert({"own": figures}, Metrics)
    assert metrics.own == figures == family.own_figures(bundle, text)
    assert all(np.isfinite(value) for value in figures.values())
    assert family.own_figures_tokens(bundle.sizes, len(text)) >= 0


def test_word_vectors_are_finite_and_one_for_each_word_if_there_are_any(model):
    if not model.has_word_vectors:
        with pytest.raises(NotImplementedError):
            model.word_vectors()
        return
    vectors = model.word_vectors()

    assert (len(vectors), vectors.dtype) == (model.vocabulary_size, np.float32)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) > 1


@pytest.mark.parametrize("k", [3, 10**6])
def test_a_gap_is_filled_as_brute_force_over_the_vocabulary_fills_it(bundle, k):
    model = Model(bundle)
    words = model.vocabulary.words[2:]
    totals = np.array(
        [score.total_log_prob for score in score_sentences(model, [f"the {w} is good ." for w in words])]
    )
    log_probs = totals - np.logaddexp.reduce(totals)

    answer = Filler(model, k=k).answer("the ___ is good .")

    order = np.argsort(-log_probs, kind="stable")[:k]
    found = answer.predictions
    assert answer.exact
    assert len(found) == len(order)
    # Words whose probabilities differ only by rounding may change places.
    places = [words.index(each.word) for each in found]
    np.testing.assert_allclose(log_probs[places], log_probs[order], atol=1e-4)
    assert all(each.lower_logprob <= log_probs[place] + 1e-4 for each, place in zip(found, places, strict=True))
    assert all(each.logprob >= log_probs[place] - 1e-4 for each, place in zip(found, places, strict=True))
