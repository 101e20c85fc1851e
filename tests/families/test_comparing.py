import math

import pytest

from lmctl.families.comparing import Comparison


def test_the_perplexities_are_those_of_the_mean_of_all_tokens():
    found = Comparison("words", 0.0, log_prob=-6.0, own_log_prob=-4.0, tokens=2)

    assert found.perplexity == pytest.approx(20.0855369)  # e^3
    assert found.own_perplexity == pytest.approx(7.3890561)  # e^2


@pytest.mark.parametrize("log_prob", [-7200.0, -math.inf])
def test_a_perplexity_that_no_float_can_hold_is_infinite(log_prob):
    """Above e^709.78."""
    found = Comparison("words", 0.0, log_prob=log_prob, own_log_prob=log_prob, tokens=10)

    assert (found.perplexity, found.own_perplexity) == (math.inf, math.inf)
