import math

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families.comparing import Comparison, compare_sentences, compare_words

SENTENCES = [np.array([2, 3, 3]), np.array([2])]


def test_the_perplexities_are_those_of_the_mean_of_all_tokens():
    found = Comparison("words", 0.0, log_prob=-6.0, own_log_prob=-4.0, tokens=2)

    assert found.perplexity == pytest.approx(20.0855369)  # e^3
    assert found.own_perplexity == pytest.approx(7.3890561)  # e^2


@pytest.mark.parametrize("log_prob", [-7200.0, -math.inf])
def test_a_perplexity_that_no_float_can_hold_is_infinite(log_prob):
    """Above e^709.78."""
    found = Comparison("words", 0.0, log_prob=log_prob, own_log_prob=log_prob, tokens=10)

    assert (found.perplexity, found.own_perplexity) == (math.inf, math.inf)


def test_sentences_are_compared_by_the_mean_of_their_tokens(make_bigram):
    # With their ends, the sentences have 4 and 2 tokens of 1/4 each. The other program finds 0.2 nats more.
    model = make_bigram([[0.25] * 4] * 4)

    found = compare_sentences(lambda words: (len(words) + 1) * math.log(0.25) + 0.2, model, SENTENCES)

    assert found.largest_difference == pytest.approx(0.2 / 2)
    assert found.tokens == 6
    assert found.own_log_prob == pytest.approx(6 * math.log(0.25))
    assert found.log_prob == pytest.approx(6 * math.log(0.25) + 0.4)


@pytest.mark.parametrize(
    ("word", "log_prob", "difference"),
    [
        (2, math.log(0.25) + 0.5, 0.5),
        # Word 0 has the log probability -100. Below e^-80, numbers of float32 have few digits.
        (0, -81.0, 0.0),
        (0, -79.0, 21.0),
        (0, -math.inf, 0.0),
        (2, -math.inf, math.inf),
        (0, math.nan, math.nan),
    ],
)
def test_words_are_compared_unless_they_are_impossible_for_both(make_bigram, word, log_prob, difference):
    model = make_bigram([[0.0, 0.25, 0.25, 0.5]] * 4)
    model.table[:, 0] = -100.0

    def log_probs_after(inputs):
        found = model.table[inputs].copy()
        found[-1, word] = log_prob
        return found

    found = compare_words(log_probs_after, model, SENTENCES)

    assert found.largest_difference == pytest.approx(difference, nan_ok=True)
    # The words are 2, 3, 3 and the end, 2 and the end.
    assert found.own_log_prob == pytest.approx(4 * math.log(0.25) + 2 * math.log(0.5))
    assert found.tokens == 6


@pytest.mark.parametrize("difference", [1.1e-4, math.inf, math.nan])
def test_a_difference_that_is_more_than_rounding_is_refused(tmp_path, difference):
    Comparison("a word", 0.9e-4, -1.0, -1.0, 1).check(tmp_path, "a program")

    with pytest.raises(
        DataError, match="a program reads other probabilities from the exported model: a word differs"
    ):
        Comparison("a word", difference, -1.0, -1.0, 1).check(tmp_path, "a program")
