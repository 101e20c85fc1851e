"""Intervals and p-values against distributions that can be enumerated, and against another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.query import bootstrap
from lmctl.query.bootstrap import (
    Resampling,
    check_units,
    holm,
    interval_of,
    p_value,
    perplexity_interval,
    resampled,
    resampled_together,
)

# Nats and tokens of ten lines.
LINES = np.array(
    [(30, 5), (22, 4), (55, 9), (12, 3), (80, 14), (41, 6), (9, 2), (63, 12), (27, 5), (36, 8)], dtype=np.float64
)


def test_two_lines_have_four_resamples_that_come_equally_often():
    found = resampled(np.array([[1.0, 2.0], [10.0, 3.0]]), Resampling(samples=40_000))

    # The first line twice, each line once in either order, the second line twice.
    pairs, counts = np.unique(found, axis=0, return_counts=True)
    assert pairs.tolist() == [[2.0, 4.0], [11.0, 5.0], [20.0, 6.0]]
    # The standard deviation of a share of 1/4 is 0.0022.
    assert counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


@pytest.mark.parametrize(
    ("confidence", "low", "high"),
    [
        # A quarter of the resamples are each end, which is more than is left out.
        (95.0, 1.0 / 2.0, 10.0 / 3.0),
        (60.0, 1.0 / 2.0, 10.0 / 3.0),
        # 30 percent are left out at each end, so the resamples with both lines remain.
        (40.0, 11.0 / 5.0, 11.0 / 5.0),
    ],
)
def test_the_interval_of_two_lines_is_that_of_the_exact_distribution(confidence, low, high):
    sums = np.array([[1.0, 2.0], [10.0, 3.0]])

    found = perplexity_interval(sums, Resampling(confidence=confidence))

    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert (found.confidence, found.samples, found.seed, found.units) == (confidence, 10_000, 1, 2)


def test_the_ends_leave_out_as_many_values_as_the_confidence_says():
    values = np.random.default_rng(3).permutation(1000).astype(np.float64)

    # Koehn (2004): of 1,000 resamples, the 25 lowest and the 25 highest are left out.
    found = interval_of(values, Resampling(confidence=95.0), 7)
    assert (found.low, found.high) == (25.0, 974.0)
    found = interval_of(values, Resampling(confidence=99.9), 7)
    assert (found.low, found.high) == (0.0, 999.0)
    found = interval_of(values, Resampling(confidence=99.8), 7)
    assert (found.low, found.high) == (1.0, 998.0)


def test_an_interval_of_next_to_no_confidence_has_its_ends_in_order():
    # One value less at each end would leave none of two.
    found = interval_of(np.array([3.0, 1.0]), Resampling(confidence=1e-9), 7)
    assert (found.low, found.high) == (1.0, 3.0)
    found = interval_of(np.array([3.0, 1.0, 2.0]), Resampling(confidence=1e-9), 7)
    assert (found.low, found.high) == (2.0, 2.0)


def test_the_interval_of_ten_lines_is_that_of_another_implementation():
    found = perplexity_interval(LINES, Resampling(samples=100_000))

    # bootstrap((nats, tokens), lambda n, t, axis=-1: np.exp(n.sum(axis) / t.sum(axis)), paired=True,
    # vectorized=True, method="percentile", n_resamples=1_000_000, rng=1) of scipy.stats 1.17.1: 157.5905 to
    # 375.2289. The bias-corrected interval, method="BCa", is 156.4336 to 372.8039.
    assert (found.low, found.high) == (pytest.approx(157.5905, rel=0.005), pytest.approx(375.2289, rel=0.005))


def test_the_same_seed_gives_the_same_resamples_however_many_are_drawn_at_once(monkeypatch):
    whole = resampled(LINES, Resampling(samples=100))
    monkeypatch.setattr(bootstrap, "DRAWN_AT_ONCE", 25)
    parts = resampled(LINES, Resampling(samples=100))

    # Sums of whole numbers are exact in any order.
    assert whole.tolist() == parts.tolist()
    assert whole.tolist() != resampled(LINES, Resampling(samples=100, seed=2)).tolist()


def test_sums_that_are_drawn_together_are_those_of_the_same_resamples_to_the_last_bit():
    # Products of matrices of other widths round otherwise.
    sums = np.random.default_rng(0).gamma(2.0, 3.0, size=(50, 140))
    whole, groups = resampled_together([sums[:, :4], sums], Resampling(samples=500))

    assert whole.tolist() == resampled(sums[:, :4], Resampling(samples=500)).tolist()
    assert groups[:, :4] == pytest.approx(whole, rel=1e-12)


def test_a_difference_of_zero_has_p_1_and_one_of_a_single_sign_the_least_p():
    assert p_value(np.zeros(99)) == 1.0
    assert p_value(np.full(99, -0.5)) == 2 / 100
    assert p_value(np.full(99, 0.5)) == 2 / 100
    # Nine of 99 resamples have the other sign or none.
    assert p_value(np.array([0.5] * 90 + [-0.1] * 6 + [0.0] * 3)) == 2 * 10 / 100


def test_the_p_value_is_near_five_percent_where_the_interval_reaches_0():
    # Of 40 values, the interval leaves out one at each end.
    just_outside, just_inside = np.array([-1.0] + [1.0] * 39), np.array([-1.0] * 2 + [1.0] * 38)

    assert interval_of(just_outside, Resampling(), 9).low == 1.0
    assert p_value(just_outside) == 2 * 2 / 41
    assert interval_of(just_inside, Resampling(), 9).low == -1.0
    assert p_value(just_inside) == 2 * 3 / 41


def test_the_p_value_of_two_lines_that_disagree_is_one_half():
    # The first line is better by 1, the second one worse by 3: only the first line twice, a quarter of the
    # resamples, has the other sign than the text.
    differences = resampled(np.array([[-1.0], [3.0]]), Resampling(samples=40_000))[:, 0]

    assert p_value(differences) == pytest.approx(0.5, abs=0.02)


def test_a_line_of_probability_zero_makes_the_resamples_with_it_infinite():
    found = resampled(np.array([[np.inf, 1.0], [2.0, 1.0]]), Resampling(samples=40_000))

    assert set(found[:, 0].tolist()) == {4.0, np.inf}
    assert found[:, 1].tolist() == [2.0] * 40_000
    assert np.count_nonzero(np.isinf(found[:, 0])) / 40_000 == pytest.approx(0.75, abs=0.01)
    interval = interval_of(found[:, 0], Resampling(), 2)
    assert (interval.low, interval.high) == (4.0, np.inf)


def test_p_values_are_corrected_for_their_number_as_holm_does():
    # multipletests(p, method="holm") of statsmodels 0.15.0.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # 3 x 0.4 is above 1, and the larger ones are not smaller.
    assert holm([0.9, 0.4, 0.5]) == [1.0, 1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_a_text_of_one_line_has_no_interval():
    check_units(2, "text.txt", "line")
    with pytest.raises(DataError, match=r"^text.txt: 1 line to draw from; an interval needs two or more$"):
        check_units(1, "text.txt", "line")
