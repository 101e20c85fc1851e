import math

import pytest

from lmctl.errors import DataError
from lmctl.query.nbest import Hypothesis
from lmctl.query.rescoring import Combination, Rescored, best_of, rescored, tuned


def hypothesis(text, score, group="0"):
    return Hypothesis(1, group, text, score, None)


def test_scores_are_combined(uniform):
    group = [hypothesis("the cat", -1.0), hypothesis("the", -2.0)]

    (plain,) = rescored(uniform, [group], None)
    (found,) = rescored(uniform, [group], Combination(0.5, 0.25))

    # Each word and the end have the probability 1/9.
    assert [one.log_prob for one in plain] == pytest.approx([-3 * math.log(9), -2 * math.log(9)])
    assert [one.score for one in plain] == [None, None]
    assert [one.score for one in found] == pytest.approx(
        [-1 - 0.5 * 3 * math.log(9) + 0.25 * 2, -2 - 0.5 * 2 * math.log(9) + 0.25]
    )


def test_a_hypothesis_without_a_score_cannot_be_combined(uniform):
    with pytest.raises(DataError, match="line 1: no score to combine"):
        list(rescored(uniform, [[hypothesis("the", None)]], Combination(1.0)))


def test_the_best_has_the_largest_score_and_equal_ones_stay_in_order():
    def of(*scores):
        return best_of([Rescored(hypothesis(str(place), 0.0), -9.0, score) for place, score in enumerate(scores)])

    assert of(1.0, 3.0, 2.0).hypothesis.text == "1"
    assert of(1.0, 1.0).hypothesis.text == "0"


def lists():
    """Two lists. Without the model, "a b" and "c" are best; with it, "a c" and "c d"."""
    return [
        [Rescored(hypothesis("a b", -1.0, "x"), -5.0, None), Rescored(hypothesis("a c", -2.0, "x"), -3.0, None)],
        [Rescored(hypothesis("c", -1.0, "y"), -5.0, None), Rescored(hypothesis("c d", -1.5, "y"), -4.2, None)],
    ]


def test_weights_with_the_fewest_errors_are_found():
    # -1 - 5 w < -2 - 3 w from w = 0.5 on, where both are equal; -1 - 5 w < -1.5 - 4.2 w from w = 0.625 on.
    combination, rate = tuned(lists(), {"x": "a c", "y": "c d"}, characters=False)
    assert (combination, rate) == (Combination(0.65, 0.0), 0.0)

    # "a b" needs w < 0.5. With a penalty of 0.5 for each word, "c d" is better for any w > 0.
    combination, rate = tuned(lists(), {"x": "a b", "y": "c d"}, characters=False)
    assert (combination, rate) == (Combination(0.05, 0.5), 0.0)


def test_errors_are_counted_by_character():
    # "ac" has one wrong character of two, "cd" is right.
    _, rate = tuned(lists(), {"x": "a e", "y": "c d"}, characters=True)
    assert rate == 1 / 4


def test_an_impossible_text_is_the_worst_unless_its_weight_is_zero():
    group = [
        Rescored(hypothesis("a", -1.0, "x"), -math.inf, None),
        Rescored(hypothesis("b", -2.0, "x"), -3.0, None),
    ]
    assert tuned([group], {"x": "b"}, characters=False) == (Combination(0.05, 0.0), 0.0)
    assert tuned([group], {"x": "a"}, characters=False) == (Combination(0.0, 0.0), 0.0)


def test_an_empty_reference_counts_insertions():
    group = [Rescored(hypothesis("a b", 0.0, "x"), -1.0, None)]
    assert tuned([group], {"x": ""}, characters=False)[1] == 2.0


def test_a_list_without_a_reference_is_named():
    with pytest.raises(DataError, match="id 'y' has no reference"):
        tuned(lists(), {"x": "a"}, characters=False)
