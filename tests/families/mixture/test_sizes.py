import math

import pytest

from lmctl.families.mixture.sizes import MixtureSizes


@pytest.mark.parametrize("weights", [[], [1.0], [0.5, 0.6], [1.5, -0.5], [math.nan, 0.5]])
def test_weights_that_are_not_a_mixtures_are_refused(weights):
    assert MixtureSizes(vocabulary_size=9, weights=[0.25, 0.75]).weights == [0.25, 0.75]
    with pytest.raises(ValueError, match="expected two or more that are not negative and sum to 1"):
        MixtureSizes(vocabulary_size=9, weights=weights)
