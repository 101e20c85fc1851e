import math

import numpy as np
import pytest

from lmctl.families.cached.memory import Affinities
from lmctl.families.cached.parameters import CacheParameters


@pytest.mark.parametrize(
    ("weight", "theta"),
    [
        (1.0, 2.0),
        (-0.1, 2.0),
        (0.2, 0.0),
        (0.2, math.inf),
        (math.nan, 2.0),
        (0.2, math.nan),
        # float32 has no normal number that is so small or so large.
        (0.2, 1.1e-38),
        (0.2, 3.5e38),
    ],
)
def test_cache_parameters_that_make_no_distribution_are_refused(weight, theta):
    assert CacheParameters(weight=0.0, theta=2.0).theta == 2.0
    with pytest.raises(ValueError, match="is out of range"):
        CacheParameters(weight=weight, theta=theta)


@pytest.mark.parametrize(("theta", "second"), [(1.2e-38, 1.0), (3.4e38, 0.0)])
def test_votes_are_numbers_with_the_least_and_the_largest_theta(theta, second):
    assert CacheParameters(weight=0.2, theta=theta).theta == theta
    affinities = Affinities(np.array([[-np.inf, -1.5, -1.0]], np.float32), np.array([5, 6, 7], np.int32))

    # exp(-inf) for a word that is not remembered, exp(-theta / 2), and exp(0).
    assert affinities.votes(theta).tolist() == [[0.0, second, 1.0]]
