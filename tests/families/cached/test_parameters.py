import math

import pytest

from lmctl.families.cached.parameters import CacheParameters


@pytest.mark.parametrize(
    ("weight", "theta"), [(1.0, 2.0), (-0.1, 2.0), (0.2, 0.0), (0.2, math.inf), (math.nan, 2.0), (0.2, math.nan)]
)
def test_cache_parameters_that_make_no_distribution_are_refused(weight, theta):
    assert CacheParameters(weight=0.0, theta=2.0).theta == 2.0
    with pytest.raises(ValueError, match="is out of range"):
        CacheParameters(weight=weight, theta=theta)
