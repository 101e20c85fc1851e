import math

import numpy as np
import pytest
from bigrams import Bigrams

from lmctl.errors import UsageError
from lmctl.query.prediction import Predictor
from lmctl.query.prefixes import Prefixes, PrefixPredictor

VOCABULARY = ("<unk>", "</s>", "the", "hello", "He", "help", "编程", "编写", "旅行", "don't")


def found(prefix, **settings):
    return {VOCABULARY[token_id] for token_id in Prefixes(VOCABULARY, **settings)(prefix)}


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("hel", {"hello", "help"}),
        ("hello", {"hello"}),
        ("hellos", set()),
        ("h", {"hello", "help"}),
        ("编", {"编程", "编写"}),
        ("don'", {"don't"}),
        ("<", set()),
    ],
)
def test_words_that_begin_with_a_prefix(prefix, words):
    assert found(prefix) == words


def test_case_is_ignored_on_request():
    assert found("he", ignore_case=True) == {"hello", "help", "He"}
    assert found("HEL", ignore_case=True) == {"hello", "help"}


def test_pinyin():
    assert found("bianc", pinyin=True) == {"编程"}
    assert found("bian", pinyin=True) == {"编程", "编写"}
    # v stands for ü, as on keyboards.
    assert found("lvx", pinyin=True) == {"旅行"}
    assert found("编x", pinyin=True) == set()


@pytest.fixture
def typed(make_model):
    return make_model(words=VOCABULARY[2:], segmenter="words")


def predictor(model, **settings):
    return PrefixPredictor(model, prefixes=Prefixes(model.vocabulary.words), **settings)


@pytest.mark.parametrize(
    ("context", "prefix", "before"),
    [
        ("the hel", "hel", "the"),
        ("the ", "", "the"),
        ("", "", ""),
        ('the "hel', "hel", 'the "'),
        ("the don'", "don'", "the"),
        # jieba alone decides where the last word may start.
        ("我们编", "编", "我们"),
        # No word begins so: the last token is the prefix.
        ("the zz", "zz", "the"),
    ],
)
def test_answers_are_those_of_the_context_that_begin_with_the_prefix(typed, context, prefix, before):
    (answer,) = predictor(typed, k=99).answer([context])

    (all_words,) = Predictor(typed, k=99).answer([before])
    expected = [one for one in all_words.predictions if one.word.startswith(prefix)]
    assert (answer.context, answer.prefix) == (context, prefix)
    assert [one.word for one in answer.predictions] == [one.word for one in expected]
    assert [one.logprob for one in answer.predictions] == [one.logprob for one in expected]


def test_probabilities_given_the_prefix_sum_to_one(typed):
    (plain,), (given,) = (
        predictor(typed, k=99, given_prefix=given).answer(["the hel"]) for given in (False, True)
    )
    total = math.fsum(one.prob for one in plain.predictions)
    assert [one.prob for one in given.predictions] == pytest.approx(
        [one.prob / total for one in plain.predictions]
    )

    (best,) = predictor(typed, k=1, given_prefix=True).answer(["the hel"])
    assert best.predictions[0].prob == pytest.approx(given.predictions[0].prob)


def test_if_no_word_with_the_prefix_is_possible_there_is_no_answer(typed, monkeypatch):
    # After every word comes "the".
    probs = np.eye(len(VOCABULARY))[[VOCABULARY.index("the")] * len(VOCABULARY)]
    monkeypatch.setattr(typed, "runtime", Bigrams(probs))

    answers = predictor(typed, given_prefix=True).answer(["the hel", "the t"])

    assert [[one.word for one in answer.predictions] for answer in answers] == [[], ["the"]]
    assert answers[1].predictions[0].prob == 1.0


def test_contexts_side_by_side_and_alone_are_answered_alike(typed):
    contexts = ["the hel", "hello the he", "编", "the "]
    together = predictor(typed, k=3).answer(contexts)
    assert together == [predictor(typed, k=3).answer([context])[0] for context in contexts]


@pytest.mark.parametrize("prefix", [True, False])
def test_a_context_is_read_only_if_white_space_ends_it(typed, prefix):
    make = predictor if prefix else Predictor
    peeking = make(typed, k=99, state="carry", peek=True)
    answers = [peeking.answer([context])[0] for context in ("the ", "hel", "hello ", "he")]

    expected = [
        make(typed, k=99).answer([context])[0] for context in ("the ", "the hel", "the hello ", "the hello he")
    ]
    for answer, other in zip(answers, expected, strict=True):
        assert [one.word for one in answer.predictions] == [one.word for one in other.predictions]
        np.testing.assert_allclose(
            [one.logprob for one in answer.predictions], [one.logprob for one in other.predictions], atol=1e-6
        )


def test_a_carried_state_needs_peek(typed):
    with pytest.raises(UsageError, match="needs --peek"):
        predictor(typed, state="carry")


def test_candidates_and_threshold_hold_with_a_prefix(typed):
    (answer,) = predictor(typed, k=9, candidates=["hello", "the"]).answer(["he"])
    assert [one.word for one in answer.predictions] == ["hello"]
    (none,) = predictor(typed, k=9, threshold=1.0).answer(["he"])
    assert none.predictions == []
