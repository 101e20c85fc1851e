from statistics import NormalDist

import numpy as np
import pytest

from lmctl.families.vae.codes import prior_codes


@pytest.mark.parametrize(("codes", "code_dim"), [(2, 1), (8, 4), (32, 8), (1024, 64)])
def test_every_element_has_the_mean_and_the_variance_of_the_prior(codes, code_dim):
    found = prior_codes(codes, code_dim)

    assert found.shape == (codes, code_dim)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.var(axis=0), 1, atol=1e-5)


def test_elements_are_hardly_correlated():
    covariance = np.cov(prior_codes(256, 8).T)

    np.testing.assert_allclose(covariance, np.eye(8), atol=0.2)


def test_codes_of_one_element_are_close_to_the_quantiles_of_the_prior():
    # A sequence of low discrepancy: 64 points, one near each of 64 quantiles. Random points would be off by 0.5.
    quantiles = [NormalDist().inv_cdf((place + 0.5) / 64) for place in range(64)]

    np.testing.assert_allclose(np.sort(prior_codes(64, 1)[:, 0]), quantiles, atol=0.25)


def test_the_first_points_of_one_element_are_multiples_of_the_golden_ratio():
    # Roberts 2018: in one dimension g is the golden ratio, and 1 / g = 0.618....
    points = [(0.5 + number * 0.6180339887498949) % 1 for number in (1, 2, 3)]
    expected = np.array([NormalDist().inv_cdf(point) for point in points])
    expected -= expected.mean()

    np.testing.assert_allclose(prior_codes(3, 1)[:, 0], expected / expected.std(), atol=1e-6)


def test_one_code_is_the_mean_of_the_prior():
    np.testing.assert_array_equal(prior_codes(1, 5), np.zeros((1, 5)))
