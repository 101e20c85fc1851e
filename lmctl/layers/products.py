"""Matrix products whose rows do not depend on the rows beside them.

BLAS adds the products of a row in an order that depends on the number of rows, the place of the row, the number of
threads and the processor. Floating-point sums depend on the order. So the last digits of a result could depend on
the other rows of the batch.

`ExactMatrix` makes sums without rounding. Both factors are first rounded to integers with so few bits that every
product and every partial sum is an integer below 2^53. float64 represents these exactly, so neither the order of
addition nor a fused multiply-add changes the sum. This is the splitting of Ozaki, Ogita, Oishi & Rump 2012
("Error-free transformations of matrix multiplication by using fast routines of matrix multiplication", Numerical
Algorithms 59) with a single slice. Its precision is about that of a product in float32.

`row_by_row` calls BLAS for each row. For one row it reads half the memory that an ExactMatrix reads; for many rows
it is slower.

Axes: N rows, K summed over, M columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array

# The integers of a row are at most 2^22, and the absolute integers of a column of the matrix sum to at most 2^30.
# So a product needs 52 of the 53 bits.
ROW_BITS = 22
COLUMN_BITS = 30
# Number of bits for an element of a unit vector.
UNIT_BITS = 25
# A product of more elements than this, 8 MB of float64, is made in blocks of rows. That changes none of its
# elements. The matrix is read for each block, so a block has many rows, if there are so many.
PRODUCT_AT_ONCE = 1 << 20
FEWEST_ROWS_OF_BLOCK = 256


class ExactMatrix:
    """A matrix for products in which a row does not depend on the other rows.

    Rounding to integers changes an element of the product by at most (2^-22 max|row| + 2^-29 sum|row|)
    sum|column|. Usually the change is much smaller, because rounding errors cancel. Then the product is rounded to
    float32.

    Args:
        matrix: finite, (K, M). It is rounded to integers at the first product.
    """

    def __init__(self, matrix: Float32Array) -> None:
        self._matrix = matrix

    def times_rows(self, rows: Float32Array) -> Float32Array:
        """The product of finite rows (N, K) and the matrix, (N, M)."""
        columns = self._matrix.shape[1]
        at_once = max(FEWEST_ROWS_OF_BLOCK, PRODUCT_AT_ONCE // max(columns, 1))
        if len(rows) <= at_once:
            return self._times_block(rows)
        product = np.empty((len(rows), columns), dtype=np.float32)
        for first in range(0, len(rows), at_once):
            block = slice(first, first + at_once)
            product[block] = self._times_block(rows[block])
        return product

    def _times_block(self, rows: Float32Array) -> Float32Array:
        # |row| < 2^exponent.
        _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0.0, keepdims=True))
        shifts = ROW_BITS - exponents
        product: Float64Array = _integers(rows, np.ldexp(1.0, shifts)) @ self._scaled.integers
        # Multiplication by powers of two is exact.
        product *= self._scaled.units
        product *= np.ldexp(1.0, -shifts)
        return product.astype(np.float32)

    @cached_property
    def _scaled(self) -> _ScaledMatrix:
        # `astype` keeps the memory order of a transposed table.
        scaled = self._matrix.astype(np.float64)
        # sum|column| < 2^exponent. Rounding adds at most 1/2 to each of K elements, and K is below 2^30.
        _, exponents = np.frexp(np.abs(scaled).sum(axis=0))
        shifts = COLUMN_BITS - 1 - exponents
        scaled *= np.ldexp(1.0, shifts)
        return _ScaledMatrix(np.rint(scaled, out=scaled), np.ldexp(1.0, -shifts))


@dataclass(frozen=True, slots=True)
class _ScaledMatrix:
    """A matrix as integers, (K, M), and the value of the integer 1 in each column, (M,)."""

    integers: Float64Array
    units: Float64Array


def row_by_row(rows: Float32Array, matrix: Float32Array) -> Float32Array:
    """The product of rows (N, K) and a matrix (K, M), (N, M), with one call of BLAS for each row."""
    product: Float32Array = np.matmul(rows[:, None, :], matrix)
    return product[:, 0, :]


def cosines(rows: Float32Array, others: Float32Array) -> Float32Array:
    """The cosines of unit vectors (N, K) and unit vectors (M, K), (N, M), from exact sums of rounded elements."""
    # The lengths bound every partial sum (Cauchy-Schwarz), so sums need 50 of the 53 bits. The other bits allow
    # for lengths that are not exactly 1.
    product: Float64Array = _integers(rows, 2.0**UNIT_BITS) @ _integers(others, 2.0**UNIT_BITS).T
    product *= 2.0 ** (-2 * UNIT_BITS)
    return product.astype(np.float32)


def sums_in_order(values: Float32Array) -> Float64Array:
    """The sum of each row of (N, K), added from left to right, (N,).

    Zeros before or after the values of a row do not change the result. With NumPy's pairwise sum they would.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    up_to: Float64Array = np.add.accumulate(values, axis=1, dtype=np.float64)
    last: Float64Array = up_to[:, -1]
    return last


def _integers(numbers: NDArray[np.floating], scale: Float64Array | float) -> Float64Array:
    """The integers nearest to numbers times a power of two."""
    scaled: Float64Array = np.multiply(numbers, scale, dtype=np.float64)
    np.rint(scaled, out=scaled)
    return scaled
