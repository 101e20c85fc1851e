"""The contract of models that fill gaps, for every registered family that does not predict the next word."""

from __future__ import annotations

import numpy as np
import pytest
from family_contract import FILLS_GAPS

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.query.filling import Filler
from lmctl.query.model import Model
from lmctl.store.bundle import open_bundle
from lmctl.store.verification import verify_bundle


@pytest.fixture(params=FILLS_GAPS)
def gap_bundle(request, models):
    """A bundle of a family that does not predict the next word."""
    return open_bundle((models(request.param) / "current").resolve())


@pytest.fixture
def gap_model(gap_bundle):
    return families.load_model(gap_bundle)


@pytest.fixture
def texts(gap_model):
    """Texts of several lengths, a sentence each: random words, between `</s>`."""
    draw = np.random.default_rng(1)
    lengths = (7, 1, 3, 12, 7, gap_model.context + 20)
    words = [draw.integers(2, gap_model.vocabulary_size, length) for length in lengths]
    return [np.array([SENTENCE_END_ID, *some, SENTENCE_END_ID]) for some in words]


def test_a_model_that_fills_gaps_names_its_family_and_is_sound(gap_bundle, gap_model):
    verify_bundle(gap_bundle.folder)
    assert gap_model.vocabulary_size == len(gap_bundle.vocabulary())
    assert gap_bundle.parameters() > 0
    assert families.find(gap_bundle.family).describe(gap_bundle.sizes)["family"].startswith(gap_bundle.family)
    with pytest.raises(UsageError, match=r"has no distribution of the next word.*`lmctl fill`"):
        families.load_language_model(gap_bundle)


def test_the_probabilities_of_a_gap_sum_to_one_and_do_not_depend_on_the_word_in_it(gap_model, texts):
    gaps = np.array([1, 1, 3, 6, 7, 40])
    log_probs = gap_model.log_probs(texts, gaps)

    assert log_probs.shape == (6, gap_model.vocabulary_size)
    assert np.exp(log_probs.astype(np.float64)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    others = [text.copy() for text in texts]
    for text, gap in zip(others, gaps, strict=True):
        text[gap] = 0
    np.testing.assert_array_equal(gap_model.log_probs(others, gaps), log_probs)


def test_texts_of_other_lengths_are_answered_as_each_is_alone(gap_model, texts):
    gaps = np.array([1, 1, 3, 6, 7, 40])
    log_probs, features = gap_model.log_probs(texts, gaps), gap_model.features(texts)
    scores, ranks, top_ids, top_log_probs = gap_model.score(texts, gaps, ranks=True, top_answers=True)

    for place, (text, gap) in enumerate(zip(texts, gaps, strict=True)):
        one = np.array([gap])
        np.testing.assert_array_equal(gap_model.log_probs([text], one)[0], log_probs[place])
        np.testing.assert_array_equal(gap_model.features([text])[0], features[place])
        alone = gap_model.score([text], one, ranks=True, top_answers=True)
        assert [each[0] for each in alone] == [each[place] for each in (scores, ranks, top_ids, top_log_probs)]
        assert top_ids[place] == log_probs[place].argmax()
        assert top_log_probs[place] == pytest.approx(log_probs[place].max(), abs=1e-5)
        assert scores[place] == pytest.approx(log_probs[place, text[gap]], abs=1e-5)
        assert ranks[place] == np.count_nonzero(log_probs[place] >= log_probs[place, text[gap]])
        assert features[place].shape[0] == len(text)


@pytest.mark.parametrize("k", [3, 10**6])
def test_a_gap_is_filled_by_its_distribution_over_the_candidates(gap_bundle, gap_model, k):
    model = Model(gap_bundle)
    text = model.encode("the is good .").token_ids
    (log_probs,) = gap_model.log_probs([np.array([1, text[0], 0, *text[1:], 1])], np.array([2]))
    # All words but <unk> and </s>.
    expected = log_probs[2:] - np.logaddexp.reduce(log_probs[2:].astype(np.float64))

    answer = Filler(model, k=k).answer("the ___ is good .")

    order = np.argsort(-expected, kind="stable")[:k]
    assert [each.word for each in answer.predictions] == [model.vocabulary.words[2 + place] for place in order]
    np.testing.assert_allclose([each.logprob for each in answer.predictions], expected[order], atol=1e-6)
    assert answer.exact
    assert (answer.candidates, answer.scored, answer.unseen) == (len(expected), len(expected), 0)
