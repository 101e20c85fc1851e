import numpy as np
import pytest

from lmctl.layers.positions import alibi_slopes, rotary_frequencies, rotated


def test_the_slopes_of_eight_heads_are_those_of_the_paper():
    # Press, Smith & Lewis 2022, section 3: "for 8 heads, the slopes are 1/2, 1/4, ..., 1/256".
    np.testing.assert_array_equal(alibi_slopes(8), [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256])


def test_the_first_pair_turns_by_one_radian_a_position_and_the_others_more_slowly():
    # Su et al. 2021, section 3.2.2: theta_i = 10000^(-2 (i - 1) / d).
    np.testing.assert_allclose(rotary_frequencies(8), [1.0, 0.1, 0.01, 0.001])


def test_a_pair_is_turned_by_the_angle_of_its_position():
    vectors = np.array([3.0, 4.0], np.float32).reshape(1, 1, 1, 2)

    turned = rotated(vectors, np.array([[2]]))

    cosine, sine = np.cos(2.0), np.sin(2.0)
    np.testing.assert_allclose(turned.ravel(), [3 * cosine - 4 * sine, 4 * cosine + 3 * sine], rtol=1e-6)


def test_the_second_of_two_pairs_turns_by_a_hundredth_of_the_angle():
    # theta_2 = 10000^(-2 / 4) = 1/100. The pairs are (0, 1) of elements 0 and 2, and (3, 4) of elements 1 and 3.
    vectors = np.array([0.0, 3.0, 1.0, 4.0], np.float32).reshape(1, 1, 1, 4)

    turned = rotated(vectors, np.array([[50]]))

    cosine, sine = np.cos([50.0, 0.5]), np.sin([50.0, 0.5])
    expected = [-sine[0], 3 * cosine[1] - 4 * sine[1], cosine[0], 4 * cosine[1] + 3 * sine[1]]
    np.testing.assert_allclose(turned.ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize("offset", [1, 1000, 10**6])
def test_a_product_depends_on_the_distance_alone_at_any_offset(offset):
    query, key = np.random.default_rng(1).normal(size=(2, 1, 1, 1, 16)).astype(np.float32)

    def product(query_place, key_place):
        places = np.array([[query_place]]), np.array([[key_place]])
        return float((rotated(query, places[0]) * rotated(key, places[1])).sum())

    assert product(offset + 7, offset + 3) == pytest.approx(product(7, 3), abs=1e-5)
    assert product(8, 3) != pytest.approx(product(7, 3), abs=1e-3)
