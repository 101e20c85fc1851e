import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.log10 import log10_of, natural_of, shortest_decimals


@given(st.lists(st.integers(-999_999, -1), min_size=1), st.integers(-3, 5))
def test_decimals_of_six_digits_come_back(numbers, places):
    decimals = np.array([float(f"{number}e{-places}") for number in numbers])
    decimals = decimals[decimals != -99.0]

    assert log10_of(natural_of(decimals)).tolist() == decimals.tolist()


@given(st.lists(st.floats(-300, 30, width=32), min_size=1))
def test_a_logarithm_that_was_written_is_read_as_the_same_float32(values):
    natural = np.array(values, dtype=np.float32)

    decimals = log10_of(natural)

    assert natural_of(decimals).tolist() == natural.tolist()
    written = np.array([float(f"{decimal:.9g}") for decimal in decimals])
    assert natural_of(written).tolist() == natural.tolist()


@pytest.mark.parametrize(
    ("log10", "natural"),
    [(-99.0, -np.inf), (-np.inf, -np.inf), (0.0, 0.0), (-1.0, -np.log(10)), (-1e300, -np.inf)],
)
def test_natural_logarithms(log10, natural):
    assert natural_of([log10])[0] == np.float32(natural)


def test_zero_is_written_as_99():
    # SRILM's ngram-format(5).
    assert log10_of(np.array([[-np.inf, 0.0]], dtype=np.float32)).tolist() == [[-99.0, 0.0]]


@given(st.lists(st.integers(-999_999, -1), min_size=1), st.integers(-3, 5))
def test_decimals_of_six_digits_come_back_from_float32(numbers, places):
    decimals = np.array([float(f"{number}e{-places}") for number in numbers])

    assert shortest_decimals(decimals.astype(np.float32)).tolist() == decimals.tolist()


def test_no_digit_is_added_where_float32_are_farther_apart_than_decimals_of_seven_digits():
    # From 2^-10, 0.0009765625, to 0.001 they are 2^-33, 1.16e-10, apart.
    decimals = np.arange(976_563, 1_000_000) / 1e9

    assert shortest_decimals(decimals.astype(np.float32)).tolist() == decimals.tolist()


@given(st.lists(st.floats(-300, 30, width=32), min_size=1))
def test_shortest_decimals_become_the_same_float32(values):
    floats = np.array(values, dtype=np.float32)

    written = [f"{decimal:.9g}" for decimal in shortest_decimals(floats)]

    assert np.array(written).astype(np.float32).tolist() == floats.tolist()


def test_what_is_no_finite_number_has_no_decimals():
    found = shortest_decimals(np.array([np.nan, np.inf, -np.inf, -0.0], dtype=np.float32))

    assert str(found.tolist()) == "[nan, inf, -inf, -0.0]"
