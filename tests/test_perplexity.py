import math

import pytest

from lmctl.perplexity import perplexity_of, perplexity_of_log10

# The largest double is about 1.797693e308: exp(709.7827) and 10 ** 308.2547.


@pytest.mark.parametrize(
    ("nats", "perplexity"),
    [(0.0, 1.0), (math.log(50), 50), (709.78, 1.7928e308), (709.79, math.inf), (1e30, math.inf)],
)
def test_a_perplexity_is_the_exponential_of_a_cross_entropy_or_infinite(nats, perplexity):
    assert perplexity_of(nats) == pytest.approx(perplexity, rel=1e-4)


@pytest.mark.parametrize(("log10", "perplexity"), [(2.0, 100.0), (308.25, 1.7783e308), (308.26, math.inf)])
def test_a_cross_entropy_in_log10_gives_a_power_of_ten_or_infinity(log10, perplexity):
    assert perplexity_of_log10(log10) == pytest.approx(perplexity, rel=1e-4)
