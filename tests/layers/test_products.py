"""A row's product must not depend on the rows beside it, on any processor and with any BLAS."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from lmctl.layers import products
from lmctl.layers.products import ExactMatrix, cosines, row_by_row, sums_in_order

SHAPES = [(1, 1), (3, 16), (64, 256), (200, 801), (650, 37)]


def draw(seed, *shape, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def unit_vectors(seed, *shape):
    vectors = draw(seed, *shape)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("times", [lambda rows, matrix: ExactMatrix(matrix).times_rows(rows), row_by_row])
def test_a_row_has_the_same_product_alone_and_in_any_company(times, shape):
    rows, matrix = draw(1, 70, shape[0]), draw(2, *shape)
    alone = np.concatenate([times(rows[place : place + 1], matrix) for place in range(70)])

    for count in (2, 3, 4, 5, 8, 12, 13, 16, 24, 33, 64, 70):
        np.testing.assert_array_equal(times(rows[:count], matrix), alone[:count])
    shuffled = np.random.default_rng(3).permutation(70)
    np.testing.assert_array_equal(times(rows[shuffled], matrix), alone[shuffled])


@pytest.mark.parametrize("count", [299, 300, 301, 600, 1000])
def test_a_product_in_blocks_of_rows_is_that_of_all_rows(monkeypatch, count):
    rows, matrix = draw(1, 1000, 20), ExactMatrix(draw(2, 20, 30))
    alone = np.concatenate([matrix.times_rows(rows[place : place + 1]) for place in range(count)])
    monkeypatch.setattr(products, "PRODUCT_AT_ONCE", 300 * 30)

    in_blocks = matrix.times_rows(rows[:count])

    np.testing.assert_array_equal(in_blocks, alone, strict=True)


def test_a_large_product_takes_the_memory_of_its_result_and_of_a_block():
    rows, matrix = draw(1, 8192, 10), ExactMatrix(draw(2, 10, 800))
    matrix.times_rows(rows[:1])
    tracemalloc.start()
    result = matrix.times_rows(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # A block has 8 MiB in float64 and 4 in float32. In one piece the product would take 50 MiB beside the result.
    assert peak - result.nbytes < 16 << 20


def test_an_exact_product_does_not_depend_on_the_order_of_its_terms():
    rows, matrix = draw(1, 5, 300), draw(2, 300, 40)
    order = np.random.default_rng(3).permutation(300)

    np.testing.assert_array_equal(
        ExactMatrix(matrix[order]).times_rows(rows[:, order]), ExactMatrix(matrix).times_rows(rows)
    )


def test_an_exact_product_is_the_sum_of_the_rounded_factors():
    row, column = draw(1, 1, 40), draw(2, 40, 1)
    # max|row| < 2^2 and sum|column| < 2^5 for these.
    assert 2 <= np.abs(row).max() < 4
    assert 16 <= np.abs(column.astype(np.float64)).sum() < 32

    def rounded(number, bits):
        return Fraction(round(Fraction(float(number)) * 2**bits), 2**bits)

    total = sum(rounded(x, 22 - 2) * rounded(w, 29 - 5) for x, w in zip(row[0], column[:, 0], strict=True))
    assert ExactMatrix(column).times_rows(row)[0, 0] == np.float32(float(total))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e12])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_exact_product_is_within_its_bound(shape, scale):
    rows, matrix = draw(1, 9, shape[0], scale=scale), draw(2, *shape)
    wide, columns = rows.astype(np.float64), np.abs(matrix.astype(np.float64)).sum(axis=0)
    true = wide @ matrix.astype(np.float64)
    bound = np.outer(2.0**-22 * np.abs(wide).max(axis=1) + 2.0**-29 * np.abs(wide).sum(axis=1), columns)

    error = np.abs(ExactMatrix(matrix).times_rows(rows) - true)
    assert (error <= 1.01 * bound + np.abs(true) * 2.0**-24).all()


def test_columns_and_rows_of_very_different_sizes_keep_their_digits():
    rows, matrix = draw(1, 3, 50), draw(2, 50, 3)
    sizes = np.array([2.0**-66, 1.0, 2.0**50], dtype=np.float32)
    expected = ExactMatrix(matrix).times_rows(rows)

    np.testing.assert_array_equal(ExactMatrix(matrix * sizes).times_rows(rows), expected * sizes)
    np.testing.assert_array_equal(ExactMatrix(matrix).times_rows(rows * sizes[:, None]), expected * sizes[:, None])


def test_a_row_or_column_of_zeros_gives_zeros():
    matrix = draw(2, 4, 3)
    matrix[:, 1] = 0
    product = ExactMatrix(matrix).times_rows(np.array([[0, 0, 0, 0], [1, 2, 3, 4]], dtype=np.float32))

    assert not product[0].any()
    assert product[1, 1] == 0
    assert product[1, 0] != 0
    assert ExactMatrix(matrix).times_rows(np.zeros((0, 4), np.float32)).shape == (0, 3)


def test_cosines_do_not_depend_on_what_else_is_compared():
    rows, others = unit_vectors(1, 20, 33), unit_vectors(2, 90, 33)
    every = cosines(rows, others)

    np.testing.assert_array_equal(cosines(rows[7:8], others[11:50]), every[7:8, 11:50])
    np.testing.assert_allclose(every, rows.astype(np.float64) @ others.T.astype(np.float64), atol=2.0**-22)


def test_zeros_around_values_do_not_change_their_sum():
    values = np.abs(draw(1, 3, 1000))
    padded = np.zeros((3, 5000), dtype=np.float32)
    padded[:, 1234:2234] = values

    np.testing.assert_array_equal(sums_in_order(padded), sums_in_order(values))
    np.testing.assert_allclose(sums_in_order(values), values.sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(sums_in_order(values[:, :0]), [0, 0, 0])
