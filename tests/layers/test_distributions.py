"""Drawing by inversion; the search for the largest values is tested through `top_k`."""

import numpy as np
import pytest

from lmctl.layers.distributions import BLOCK, LARGEST_UNIFORM, drawn


@pytest.mark.parametrize("columns", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_drawn_column_is_the_first_whose_sum_exceeds_the_place(columns, dtype):
    generator = np.random.default_rng(1)
    weights = generator.integers(0, 5, (300, columns)).astype(np.float64)
    weights[:, columns // 2] = 3.0
    with np.errstate(divide="ignore"):
        logs = np.log(weights).astype(dtype)
    # The sums are whole numbers, so these places are a quarter away from every border.
    totals = weights.sum(axis=1)
    places = generator.integers(0, totals) + generator.choice([0.25, 0.75], 300)

    found, rests, log_sums = drawn(logs, places / totals)

    ends = np.cumsum(weights, axis=1)
    expected = (ends <= places[:, None]).sum(axis=1)
    rows = np.arange(300)
    np.testing.assert_array_equal(found, expected)
    begins = ends[rows, expected] - weights[rows, expected]
    np.testing.assert_allclose(rests, (places - begins) / weights[rows, expected], atol=1e-4)
    np.testing.assert_allclose(log_sums, np.log(totals), rtol=1e-6)


@pytest.mark.parametrize("uniform", [0.0, LARGEST_UNIFORM])
def test_a_column_of_weight_zero_is_never_drawn(uniform):
    logs = np.full((1, 3 * BLOCK), -np.inf, dtype=np.float32)
    logs[0, [BLOCK + 3, BLOCK + 5]] = 0.0

    (column,), (rest,), _ = drawn(logs, np.array([uniform]))

    assert column == BLOCK + (5 if uniform else 3)
    assert 0 <= rest < 1
