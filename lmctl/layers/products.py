"""Matrix products whose rows do not depend on the rows beside them.

BLAS adds up the products of a row in an order of its own choice. The order differs with the number of rows, with a
row's place among them, with the number of threads and with the processor, and floating-point sums differ with
their order. A context would be answered with other last digits in other company.

`ExactMatrix` leaves nothing to round. Both factors are rounded to integers first, to so few bits that every
product and every partial sum is an integer below 2^53. A float64 holds all of these exactly: no order of summation
and no fused multiply-add can change the sum. This is the splitting of Ozaki, Ogita, Oishi & Rump 2012 ("Error-free
transformations of matrix multiplication by using fast routines of matrix multiplication", Numerical Algorithms 59)
with a single slice, which is about as precise as a product in float32.

`row_by_row` gives every row a call of its own. For one row it reads half of the memory that an ExactMatrix reads;
for many rows it takes longer.

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

# Integers of a row are at most 2^22, and those of a column of the matrix add up to at most 2^30: 52 bits of 53.
ROW_BITS = 22
COLUMN_BITS = 30
# Bits of an element of a unit vector.
UNIT_BITS = 25


class ExactMatrix:
    """A matrix that rows are multiplied by.

    Rounding to integers moves a product by at most (2^-22 max|row| + 2^-29 sum|row|) sum|column|, and as a rule by
    far less, since the roundings cancel. Then the product is rounded to float32.

    Args:
        matrix: finite, (K, M). It is made ready when it is first used.
    """

    def __init__(self, matrix: Float32Array) -> None:
        self._matrix = matrix

    def times_rows(self, rows: Float32Array) -> Float32Array:
        """The product of finite rows (N, K) and the matrix, (N, M)."""
        # |row| < 2^exponent.
        _, exponents = np.frexp(np.abs(rows).max(axis=1, initial=0.0, keepdims=True))
        shifts = ROW_BITS - exponents
        product: Float64Array = _integers(rows, np.ldexp(1.0, shifts)) @ self._scaled.integers
        # Powers of two: nothing is rounded before the end.
        product *= self._scaled.units
        product *= np.ldexp(1.0, -shifts)
        return product.astype(np.float32)

    @cached_property
    def _scaled(self) -> _ScaledMatrix:
        # A transposed table stays in its own order in memory.
        scaled = self._matrix.astype(np.float64)
        # sum|column| < 2^exponent. Rounding adds a half to each of K elements at most, and K is below 2^30.
        _, exponents = np.frexp(np.abs(scaled).sum(axis=0))
        shifts = COLUMN_BITS - 1 - exponents
        scaled *= np.ldexp(1.0, shifts)
        return _ScaledMatrix(np.rint(scaled, out=scaled), np.ldexp(1.0, -shifts))


@dataclass(frozen=True, slots=True)
class _ScaledMatrix:
    """A matrix as integers, (K, M), and what one of them is worth in each column, (M,)."""

    integers: Float64Array
    units: Float64Array


def row_by_row(rows: Float32Array, matrix: Float32Array) -> Float32Array:
    """The product of rows (N, K) and a matrix (K, M), (N, M), one row a call of BLAS."""
    product: Float32Array = np.matmul(rows[:, None, :], matrix)
    return product[:, 0, :]


def cosines(rows: Float32Array, others: Float32Array) -> Float32Array:
    """The products of unit vectors (N, K) and unit vectors (M, K), (N, M), without rounding but the last."""
    # The lengths bound every partial sum (Cauchy-Schwarz): 50 bits of 53, and some to spare for rounded lengths.
    product: Float64Array = _integers(rows, 2.0**UNIT_BITS) @ _integers(others, 2.0**UNIT_BITS).T
    product *= 2.0 ** (-2 * UNIT_BITS)
    return product.astype(np.float32)


def sums_in_order(values: Float32Array) -> Float64Array:
    """The sum of each row of (N, K) from left to right, (N,).

    Zeros before or after a row's values change nothing. They would change the pairs of NumPy's pairwise sum.
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
