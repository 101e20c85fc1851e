import math

import numpy as np
import pytest

from lmctl.errors import UsageError
from lmctl.families.base import LanguageModel
from lmctl.query import batching
from lmctl.query.filling import Filler
from lmctl.query.prediction import Predictor
from lmctl.query.vectors import Neighbors

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "."]
SPECIALS = ["<unk>", "</s>"]


def words(answer):
    return [found.word for found in answer.predictions]


def logprobs(answer):
    return [found.logprob for found in answer.predictions]


def distribution(model, context):
    """The log probability of every token, by word."""
    return dict(zip(model.vocabulary.words, model.log_probs(context).tolist(), strict=True))


def assert_alike(answers, others):
    for one, other in zip(answers, others, strict=True):
        assert words(one) == words(other)
        assert logprobs(one) == pytest.approx(logprobs(other), abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 7, 50])
def test_the_k_most_probable_words_come_best_first(model, k):
    (answer,) = Predictor(model, k=k).answer(["the cat"])

    expected = distribution(model, "the cat")
    assert words(answer) == sorted(WORDS, key=expected.__getitem__, reverse=True)[:k]
    for found in answer.predictions:
        assert found.logprob == pytest.approx(expected[found.word], abs=1e-6)
        assert found.prob == pytest.approx(math.exp(expected[found.word]), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "specials"),
    [
        ({}, set()),
        ({"allow_unknown": True}, {"<unk>"}),
        ({"allow_sentence_end": True}, {"</s>"}),
        ({"allow_unknown": True, "allow_sentence_end": True}, {"<unk>", "</s>"}),
    ],
)
def test_specials_are_answered_only_if_allowed_and_nothing_is_renormalised(model, options, specials):
    (answer,) = Predictor(model, k=99, **options).answer(["the"])

    assert set(words(answer)) == {*WORDS, *specials}
    expected = distribution(model, "the")
    for found in answer.predictions:
        assert found.logprob == pytest.approx(expected[found.word], abs=1e-6)


def test_with_both_specials_the_answers_are_the_whole_distribution(model):
    (answer,) = Predictor(model, k=99, allow_unknown=True, allow_sentence_end=True).answer(["the"])

    assert sum(found.prob for found in answer.predictions) == pytest.approx(1.0, abs=1e-5)


def test_of_equally_probable_words_the_one_with_the_smaller_id_comes_first(uniform):
    (answer,) = Predictor(uniform, k=3).answer(["the"])

    assert words(answer) == ["the", "cat", "sat"]
    assert [found.prob for found in answer.predictions] == pytest.approx([1 / 9] * 3)


@pytest.mark.parametrize(("threshold", "answers"), [(0.0, 7), (0.11, 7), (0.112, 0), (1.0, 0)])
def test_words_below_the_threshold_are_left_out(uniform, threshold, answers):
    (answer,) = Predictor(uniform, k=7, threshold=threshold).answer(["the"])

    assert len(answer.predictions) == answers


class Certain(LanguageModel):
    """The token of id 2 always comes next; all others are impossible."""

    vocabulary_size = 9

    def null_state(self, batch):
        return batch

    def advance(self, state, token_ids, lengths=None):  # noqa: ARG002
        return state

    def select_columns(self, state, columns):  # noqa: ARG002
        return len(columns)

    def join(self, states):
        return sum(states)

    def log_probs(self, state):
        row = np.where(np.arange(self.vocabulary_size) == 2, 0.0, -np.inf)
        return np.tile(row.astype(np.float32), (state, 1))

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):
        raise NotImplementedError


def test_impossible_words_are_no_answers_even_at_threshold_0(model):
    model.runtime = Certain()

    (answer,) = Predictor(model, k=9, allow_unknown=True, allow_sentence_end=True).answer(["cat"])

    assert [(found.word, found.prob) for found in answer.predictions] == [("the", 1.0)]


@pytest.mark.parametrize(
    ("candidates", "warnings"),
    [
        (["cat", "dog", "cat"], []),
        (
            ["cat", "zebra", "yak", "zebra"],
            ["2 of 3 candidates are not in the model's vocabulary and are ignored"],
        ),
    ],
)
def test_candidates_outside_the_vocabulary_are_counted_in_a_warning(model, caplog, candidates, warnings):
    Predictor(model, candidates=candidates)

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == warnings


def test_the_threshold_cuts_the_list_where_probabilities_fall_below_it(model):
    (everything,) = Predictor(model, k=7).answer(["the"])
    third = everything.predictions[2].prob

    (answer,) = Predictor(model, k=7, threshold=third).answer(["the"])

    assert words(answer) == words(everything)[:3]


def test_candidates_alone_are_answered_and_unknown_ones_never(model):
    (answer,) = Predictor(model, k=9, candidates=["dog", "zebra", "cat", "</s>", "<unk>"]).answer(["the"])

    expected = distribution(model, "the")
    assert words(answer) == sorted(["dog", "cat"], key=expected.__getitem__, reverse=True)
    assert logprobs(answer) == pytest.approx([expected[word] for word in words(answer)], abs=1e-6)


@pytest.mark.parametrize("candidates", [["zebra", "gnu"], ["<unk>", "</s>"], []])
def test_no_candidate_in_the_vocabulary_is_a_usage_error(model, candidates):
    with pytest.raises(UsageError, match=f"none of the {len(candidates)} candidates is in the model's vocabulary"):
        Predictor(model, candidates=candidates)


def test_a_special_that_is_allowed_stands_beside_the_candidates(model):
    (answer,) = Predictor(model, k=9, candidates=["dog"], allow_sentence_end=True).answer(["the"])

    assert set(words(answer)) == {"dog", "</s>"}


def test_a_context_starts_a_sentence(model):
    (blank,) = Predictor(model, k=9, allow_unknown=True, allow_sentence_end=True).answer([""])

    language_model = model.language_model
    token_ids, log_probs = language_model.top_k(language_model.initial_state(1), 9)
    assert words(blank) == model.vocabulary.decode(token_ids[0])
    assert logprobs(blank) == pytest.approx(log_probs[0].tolist(), abs=1e-6)


@pytest.mark.parametrize("context", ["", "the cat"])
def test_mid_sentence_a_context_starts_from_the_null_state(model, context):
    (answer,) = Predictor(model, k=3, mid_sentence=True).answer([context])

    language_model = model.language_model
    token_ids = np.array(model.vocabulary.encode(context.split()), dtype=np.int64)[:, None]
    expected = language_model.log_probs(language_model.advance(language_model.null_state(1), token_ids))[0]
    ids = model.vocabulary.encode(words(answer))
    np.testing.assert_allclose(logprobs(answer), expected[ids], atol=1e-6)
    assert ids[0] == int(np.argmax(expected[2:])) + 2
    (at_start,) = Predictor(model, k=3).answer([context])
    assert np.abs(np.subtract(logprobs(at_start), logprobs(answer))).max() > 1e-3


def test_carried_each_context_continues_the_one_before(model):
    found = Predictor(model, state="carry").answer(["the", "cat", "", "sat on"])

    assert_alike(found, Predictor(model).answer(["the", "the cat", "the cat", "the cat sat on"]))
    assert [answer.context for answer in found] == ["the", "cat", "", "sat on"]


def test_carried_the_next_call_continues_the_last_one(model):
    predictor = Predictor(model, state="carry")

    found = predictor.answer(["the"]) + predictor.answer(["cat"])

    assert_alike(found, Predictor(model).answer(["the", "the cat"]))


def test_carried_from_mid_sentence_there_is_no_sentence_end_before_the_first_context(model):
    found = Predictor(model, state="carry", mid_sentence=True).answer(["the", "cat"])

    assert_alike(found, Predictor(model, mid_sentence=True).answer(["the", "the cat"]))


@pytest.mark.parametrize("mid_sentence", [False, True])
@pytest.mark.parametrize("largest_batch", [1, 2, 64])
def test_contexts_of_all_lengths_are_answered_together_as_alone(model, monkeypatch, largest_batch, mid_sentence):
    monkeypatch.setattr(batching, "LARGEST_BATCH", largest_batch)
    contexts = ["the cat sat on the mat", "", "dog", "the zebra", "", "cat sat on", "dog"]
    predictor = Predictor(model, mid_sentence=mid_sentence)

    together = predictor.answer(contexts)

    assert [answer.context for answer in together] == contexts
    assert_alike(together, [predictor.answer([context])[0] for context in contexts])


def test_an_answer_names_the_words_that_the_model_does_not_know(model):
    answers = Predictor(model).answer(["the zebra and the gnu", "the cat", "zebra zebra"])

    assert [answer.oov for answer in answers] == [["zebra", "and", "gnu"], [], ["zebra", "zebra"]]


@pytest.mark.parametrize("k", [0, -1])
@pytest.mark.parametrize("kind", [Predictor, Filler, Neighbors])
def test_an_answer_of_no_words_is_refused(model, kind, k):
    with pytest.raises(UsageError, match=f"^k is {k}; expected a whole number of at least 1$"):
        kind(model, k=k)


def test_no_contexts_have_no_answers(model):
    assert Predictor(model).answer([]) == []


def test_no_more_than_a_batch_of_positions_is_read_at_once(model, monkeypatch):
    monkeypatch.setattr(batching, "BATCH_TOKENS", 8)
    sizes = []
    advance = model.language_model.advance

    def remember(state, token_ids, lengths=None):
        sizes.append(token_ids.size)
        return advance(state, token_ids, lengths)

    monkeypatch.setattr(model.language_model, "advance", remember)

    Predictor(model).answer(["the cat " * 20, "the", "dog", "the cat"])

    assert max(sizes) <= 8
    assert sum(sizes) >= 41 + 2 + 2 + 3
