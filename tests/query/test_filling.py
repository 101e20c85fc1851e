"""Gaps: every answer is compared with Bayes' rule over the whole vocabulary, from the scores of sentences."""

import math

import numpy as np
import pytest

from lmctl.errors import DataError, UsageError
from lmctl.progress import listening
from lmctl.query import filling
from lmctl.query.filling import Filler
from lmctl.query.scoring import score_sentences

WORDS = ["the", "cat", "sat", "on", "mat", "dog", "."]


def posterior(model, left, right, words=None):
    """P(word | left, right) of words that fit a sentence, by the probability of the whole sentence with each."""
    words = words or model.vocabulary.words[2:]
    lines = [f"{left} {word} {right}" for word in words]
    totals = np.array([score.total_log_prob for score in score_sentences(model, lines, blank_lines="keep")])
    probs = np.exp(totals - np.logaddexp.reduce(totals))
    return dict(zip(words, probs.tolist(), strict=True))


def ranked(probs):
    return sorted(probs, key=probs.__getitem__, reverse=True)


def words(answer):
    return [found.word for found in answer.predictions]


@pytest.mark.parametrize(
    ("left", "right"),
    [("the", "on the mat ."), ("", "cat sat"), ("the cat sat on the", ""), ("", ""), ("zebra", "gnu")],
)
@pytest.mark.parametrize("k", [1, 3, 7, 50])
def test_words_are_ranked_by_bayes_rule_over_the_whole_sentence(model, left, right, k):
    answer = Filler(model, k=k).answer(f"{left} ___ {right}")

    expected = posterior(model, left, right)
    assert words(answer) == ranked(expected)[:k]
    assert answer.exact
    assert (answer.candidates, answer.scored, answer.unseen) == (7, 7, 0.0)
    for found in answer.predictions:
        assert found.prob == pytest.approx(expected[found.word], rel=1e-4)
        assert found.logprob == pytest.approx(math.log(expected[found.word]), abs=1e-4)
        assert (found.lower_prob, found.lower_logprob) == (found.prob, found.logprob)


def test_the_end_of_the_sentence_belongs_to_the_right_text(model):
    whole = Filler(model, k=7).answer("the cat ___")
    part = Filler(model, k=7, mid_sentence=True).answer("the cat ___")

    log_probs = model.language_model.log_probs(
        model.language_model.advance(
            model.language_model.null_state(1), np.array([model.vocabulary.encode(["the", "cat"])]).T
        )
    )[0]
    assert words(part) == ranked(dict(zip(WORDS, log_probs[2:].tolist(), strict=True)))
    assert words(whole) == ranked(posterior(model, "the cat", ""))
    assert words(whole) != words(part)


def test_specials_are_candidates_only_if_they_are_allowed(model):
    every = Filler(model, k=99, allow_unknown=True, allow_sentence_end=True).answer("the ___ sat")

    assert set(words(every)) == {*WORDS, "<unk>", "</s>"}
    assert sum(found.prob for found in every.predictions) == pytest.approx(1.0)
    assert set(words(Filler(model, k=99).answer("the ___ sat"))) == set(WORDS)


def test_probabilities_are_those_among_the_candidates(model):
    answer = Filler(model, candidates=["dog", "cat", "zebra"]).answer("the ___ sat on the mat")

    expected = posterior(model, "the", "sat on the mat", ["dog", "cat"])
    assert words(answer) == ranked(expected)
    assert [found.prob for found in answer.predictions] == pytest.approx(sorted(expected.values())[::-1], rel=1e-4)


def test_of_equally_probable_words_the_one_with_the_smaller_id_comes_first(uniform, monkeypatch):
    monkeypatch.setattr(filling, "LARGEST_BATCH", 2)

    answer = Filler(uniform, k=3).answer("the ___ sat")

    assert words(answer) == ["the", "cat", "sat"]
    assert [found.prob for found in answer.predictions] == pytest.approx([1 / 7] * 3)
    assert answer.exact


# Lazily


class Counting:
    """Counts the tokens that are scored after candidates."""

    def __init__(self, language_model, monkeypatch):
        self.tokens = 0
        self._score = language_model.score
        monkeypatch.setattr(language_model, "score", self.score)

    def score(self, inputs, targets, lengths, state, **options):
        self.tokens += int(np.sum(lengths))
        return self._score(inputs, targets, lengths, state, **options)


@pytest.fixture
def peaked(make_model):
    """Four hundred words. In any context, only a few are probable."""
    return make_model(words=[f"w{number}" for number in range(400)], scale=4.0)


def greedy(model, context, steps):
    """The most probable word after a context, again and again."""
    for _ in range(steps):
        context += f" {model.predict(context, k=1)[0].word}"
    return context.split()


@pytest.mark.parametrize("batch", [1, 4, 64])
@pytest.mark.parametrize("k", [1, 5])
def test_candidates_that_cannot_be_among_the_best_are_not_read(peaked, monkeypatch, k, batch):
    monkeypatch.setattr(filling, "LARGEST_BATCH", batch)
    left, _, *right = greedy(peaked, "w1", 4)
    expected = posterior(peaked, left, " ".join(right))
    counting = Counting(peaked.language_model, monkeypatch)

    answer = Filler(peaked, k=k).answer(f"{left} ___ {' '.join(right)}")

    assert words(answer) == ranked(expected)[:k]
    assert answer.exact
    # Brute force scores four tokens after each of 400 words.
    assert answer.candidates == 400
    assert answer.scored < 350
    assert counting.tokens < 1500
    assert 0.0 < answer.unseen < 1.0
    for found in answer.predictions:
        assert found.lower_prob <= expected[found.word] * (1 + 1e-4)
        assert found.prob >= expected[found.word] * (1 - 1e-4)
        assert found.lower_logprob == pytest.approx(math.log(found.lower_prob))


@pytest.mark.parametrize(("batch", "batch_tokens"), [(1, 8192), (7, 1), (64, 100), (64, 8192)])
def test_the_sizes_of_batches_change_no_bit_of_an_answer_in_full(peaked, monkeypatch, batch, batch_tokens):
    text = "w1 ___ w5 w9 w5 w7 w3 w2 w1 w1 w5"
    expected = Filler(peaked, k=3, full=True).answer(text)
    monkeypatch.setattr(filling, "LARGEST_BATCH", batch)
    monkeypatch.setattr(filling, "BATCH_TOKENS", batch_tokens)

    assert Filler(peaked, k=3, full=True).answer(text) == expected


def test_a_limit_ends_the_search_and_the_answer_says_so(peaked):
    expected = posterior(peaked, "w1", "w5 w9")

    answer = Filler(peaked, k=3, limit=2).answer("w1 ___ w5 w9")

    first = ranked(dict(enumerate(peaked.log_probs("w1")[2:].tolist())))[:2]
    assert set(words(answer)) == {f"w{number}" for number in first}
    assert (answer.exact, answer.candidates, answer.scored) == (False, 400, 2)
    priors = np.exp(peaked.log_probs("w1").astype(np.float64))[2:]
    assert answer.unseen == pytest.approx(np.delete(priors, first).sum(), rel=1e-4)
    for found in answer.predictions:
        assert found.lower_prob < expected[found.word] < found.prob


def test_in_full_the_probabilities_are_exact_and_not_only_the_words(peaked):
    left, _, *right = greedy(peaked, "w1", 4)
    text = f"{left} ___ {' '.join(right)}"

    answer = Filler(peaked, k=2, full=True).answer(text)

    assert (answer.scored, answer.unseen) == (400, 0.0)
    assert answer.predictions == Filler(peaked, k=400).answer(text).predictions[:2]


def test_the_search_tells_how_many_candidates_it_has_looked_at(peaked, monkeypatch):
    told = []

    with listening(lambda activity, *_: told.append(activity)):
        Filler(peaked, limit=100).answer("w1 ___ w5")

    assert told == [f"filling the gap, {number} of at most 100 candidates" for number in (64, 100)]


def test_a_limit_that_is_not_reached_changes_nothing(peaked):
    assert Filler(peaked, k=3, limit=10_000).answer("w1 ___ w5") == Filler(peaked, k=3).answer("w1 ___ w5")


def test_tokens_of_the_right_text_that_no_longer_depend_on_the_word_are_not_read(model, monkeypatch):
    monkeypatch.setattr(model.language_model, "context_length", 2)
    counting = Counting(model.language_model, monkeypatch)

    answer = Filler(model).answer("the ___ sat on the mat .")

    assert counting.tokens == answer.scored * 2


# Which texts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the cat sat", "no gap in 'the cat sat'"),
        ("", "no gap in ''"),
        ("the __ cat", "no gap in 'the __ cat'"),
        ("___ sat on ___", "2 gaps in '___ sat on ___'"),
        ("word " * 40, f"no gap in '{('word ' * 40)[:57]}...'"),
    ],
)
def test_a_text_without_one_gap_is_refused(model, text, found):
    with pytest.raises(DataError) as error:
        Filler(model).answer(text)

    assert str(error.value) == f"{found}; expected one ___, where the word is missing"


@pytest.mark.parametrize("text", ["the ___ sat", "the________sat", "  the\t____  sat "])
def test_white_space_around_a_gap_and_a_longer_row_do_not_matter(model, text):
    assert Filler(model).answer(text).predictions == Filler(model).answer("the ___ sat").predictions


@pytest.mark.parametrize(
    ("blank", "text"), [("[MASK]", "the [MASK] sat"), ("□", "the □□ sat"), ("XX", "the XX sat")]
)
def test_the_marker_may_be_chosen(model, blank, text):
    assert Filler(model, blank=blank).answer(text).predictions == Filler(model).answer("the ___ sat").predictions


def test_a_marker_of_letters_is_not_repeated(model):
    with pytest.raises(DataError, match="2 gaps"):
        Filler(model, blank="X").answer("the XX sat")


@pytest.mark.parametrize("blank", ["", " ", "a gap"])
def test_a_marker_without_characters_or_with_white_space_is_refused(model, blank):
    with pytest.raises(UsageError, match="the marker of the gap is"):
        Filler(model, blank=blank)


def test_an_answer_names_the_words_of_both_sides_that_the_model_does_not_know(model):
    assert Filler(model).answer("the zebra ___ a gnu").oov == ["zebra", "a", "gnu"]


def test_chinese_is_cut_on_both_sides_apart(make_model):
    model = make_model(words=["编程", "是", "一种", "艺术", "。"], segmenter="jieba")

    answer = Filler(model).answer("编程___一种艺术。")

    assert answer.oov == []
    assert answer.predictions == Filler(model).answer("编程 ___ 一种 艺术 。").predictions


def test_the_model_of_the_python_interface_fills_gaps(model):
    assert model.fill("the ___ sat", k=2) == Filler(model, k=2).answer("the ___ sat").predictions
    assert model.fill("the ? sat", k=2, blank="?") == model.fill("the ___ sat", k=2)


@pytest.fixture
def masked(make_model):
    """A model that fills gaps."""
    return make_model(family="masked")


def of_gap(model, left, right, *, ends=True, words=None):
    """P(word | left, right) over the candidates, by the model's own distribution of the gap."""
    before, after = (model.vocabulary.encode(side.split()) for side in (left, right))
    text = [*([1] if ends else []), *before, 0, *after, *([1] if ends else [])]
    (log_probs,) = model.gap_model.log_probs([np.array(text)], np.array([len(before) + ends]))
    words = words or model.vocabulary.words[2:]
    probs = np.exp(log_probs.astype(np.float64))[model.vocabulary.encode(words)]
    return dict(zip(words, (probs / probs.sum()).tolist(), strict=True))


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize(("left", "right"), [("the", "on the mat ."), ("", "cat sat"), ("zebra", ""), ("", "")])
@pytest.mark.parametrize("k", [1, 3, 50])
def test_a_model_that_fills_gaps_answers_with_its_distribution_of_the_gap(masked, left, right, k, ends):
    answer = Filler(masked, k=k, mid_sentence=not ends).answer(f"{left} ___ {right}")

    expected = of_gap(masked, left, right, ends=ends)
    assert words(answer) == ranked(expected)[:k]
    assert (answer.exact, answer.candidates, answer.scored, answer.unseen) == (True, 7, 7, 0.0)
    assert answer.oov == (["zebra"] if left == "zebra" else [])
    for found in answer.predictions:
        assert found.prob == pytest.approx(expected[found.word], rel=1e-5)
        assert found.logprob == pytest.approx(math.log(expected[found.word]), abs=1e-5)
        assert (found.lower_prob, found.lower_logprob) == (found.prob, found.logprob)


def test_its_candidates_may_be_chosen(masked):
    answer = Filler(masked, candidates=["mat", "dog", "yak"]).answer("the ___ sat")

    expected = of_gap(masked, "the", "sat", words=["mat", "dog"])
    assert {found.word: found.prob for found in answer.predictions} == pytest.approx(expected, rel=1e-5)
    every = Filler(masked, k=50, allow_unknown=True, allow_sentence_end=True).answer("the ___ sat")
    assert sorted(words(every)) == sorted(masked.vocabulary.words)
    assert sum(found.prob for found in every.predictions) == pytest.approx(1.0)


def test_a_limit_has_no_meaning_for_it(masked):
    with pytest.raises(UsageError, match="a limit of 5 candidates has no effect"):
        Filler(masked, limit=5)
    assert Filler(masked, full=True).answer("the ___ sat") == Filler(masked).answer("the ___ sat")
