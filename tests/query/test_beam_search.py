"""Beam search against all texts of a small vocabulary."""

import itertools
import math

import pytest
from bigrams import Bigrams

from lmctl.query.beam_search import BeamSearch
from lmctl.query.growing_text import GrowingText, Limits

END = 1
# <unk>, </s>, and the words 2, 3 and 4; rows are the last token.
PROBS = [
    [0.2, 0.2, 0.2, 0.2, 0.2],
    [0.1, 0.1, 0.4, 0.3, 0.1],
    [0.1, 0.2, 0.1, 0.3, 0.3],
    [0.05, 0.15, 0.5, 0.2, 0.1],
    [0.3, 0.4, 0.1, 0.1, 0.1],
]
MODEL = Bigrams(PROBS)


def search(beam, most, limits, model=MODEL):
    found = BeamSearch(model, beam).run(model.null_state(1), GrowingText(limits, []), most)
    return [(text.token_ids, pytest.approx(text.log_prob, abs=1e-5), text.ended_by) for text in found]


def every_text(words, probs=PROBS):
    """All texts of one sentence of so many words at most, with their log probabilities, best first."""
    texts = []
    for length in range(words + 1):
        for chosen in itertools.product((2, 3, 4), repeat=length):
            tokens = list(chosen) if length == words else [*chosen, END]
            pairs = zip([END, *tokens], tokens, strict=False)
            score = math.fsum(math.log(probs[before][after]) for before, after in pairs)
            texts.append((tokens, score, "words" if length == words else "sentences"))
    return sorted(texts, key=lambda text: -text[1])


@pytest.mark.parametrize("words", [1, 2, 3, 4])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_beam_that_holds_every_text_finds_the_best_of_all(words, most):
    limits = Limits(words, sentences=1)

    found = search(3**words, min(most, 3**words), limits)

    expected = every_text(words)[: len(found)]
    assert [score for _, score, _ in found] == [score for _, score, _ in expected]
    # Texts of equal probability may stand in any order.
    if len({round(score, 6) for _, score, _ in expected}) == len(expected):
        assert [tokens for tokens, _, _ in found] == [tokens for tokens, _, _ in expected]


def test_a_beam_of_one_takes_the_best_word_each_time_and_keeps_the_best_end():
    # 1 -> 2 (0.4) -> 3 (0.3) -> 2 (0.5); the ends on the way have 0.1, 0.4 * 0.2 = 0.08 and 0.4 * 0.3 * 0.15.
    assert search(1, 1, Limits(3, sentences=1)) == [([END], math.log(0.1), "sentences")]
    assert search(1, 1, Limits(3, 3)) == [([2, 3, 2], math.log(0.4 * 0.3 * 0.5), "words")]


def test_the_words_of_several_sentences_are_counted_together():
    assert search(20, 1, Limits(2, 2)) == [([3, 2], math.log(0.3 * 0.5), "words")]
    # An end is no word, and after it the word 3 is more probable than after itself.
    model = Bigrams([[0.25] * 4, [0, 0, 0.1, 0.9], [0, 0, 0.5, 0.5], [0, 0.6, 0.2, 0.2]])
    assert search(20, 1, Limits(2, 2), model) == [([3, END, 3], math.log(0.9 * 0.6 * 0.9), "words")]


def test_a_stop_ends_a_text():
    # 2 4 has 0.4 * 0.3; 4 alone is no stop.
    found = search(30, 1, Limits(9, 9, stops=((2, 4),)))

    assert found == [([2, 4], math.log(0.12), "stop")]


def test_unk_is_in_no_text():
    model = Bigrams([[0.9, 0.05, 0.05]] * 3)

    assert search(2, 1, Limits(3, sentences=1), model) == [([END], math.log(0.05), "sentences")]


def test_no_ngram_is_repeated():
    model = Bigrams([[0, 0.1, 0.5, 0.4]] * 4)

    assert search(9, 1, Limits(2, 2), model) == [([2, 2], math.log(0.25), "words")]
    assert search(9, 1, Limits(2, 2, no_repeat_ngram=1), model) == [([2, 3], math.log(0.2), "words")]


def test_a_text_that_cannot_go_on_comes_after_whole_texts():
    # After 2, only <unk>.
    model = Bigrams([[1, 0, 0, 0], [0, 0, 0.9, 0.1], [1, 0, 0, 0], [0, 1, 0, 0]])

    found = search(3, 2, Limits(5, sentences=1), model)

    assert found == [([3, END], math.log(0.1), "sentences"), ([2], math.log(0.9), "dead end")]


def test_how_many_distributions_are_in_memory_at_once_changes_nothing(monkeypatch):
    whole = search(7, 5, Limits(4, sentences=1))
    monkeypatch.setattr("lmctl.query.beam_search.NUMBERS_AT_ONCE", 11)

    assert [each[0] for each in search(7, 5, Limits(4, sentences=1))] == [each[0] for each in whole]


def test_a_search_needs_no_further_step_once_no_text_can_become_better():
    steps = []
    model = Bigrams(PROBS)
    advance = model.advance
    model.advance = lambda state, ids, lengths=None: steps.append(1) or advance(state, ids, lengths)

    BeamSearch(model, 2).run(model.null_state(1), GrowingText(Limits(1000, sentences=1), []), 1)

    # 0.1 is the best end at once; the best unfinished texts have 0.4, 0.12, then 0.06.
    assert len(steps) == 2
