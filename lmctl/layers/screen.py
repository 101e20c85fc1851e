"""An upper bound of the probabilities of the words of a cluster, from products in plain float32.

Most clusters of an adaptive softmax have no word among the k best. An exact product (products.py) reads 64 bits
for a number and this one 32, so it takes less time to rule such a cluster out than to compute it. A cluster that
cannot be ruled out is computed exactly, so the answers do not depend on the order of these sums.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array

# An upper bound of the relative error of a rounding, with room for those of sums, exponentials and exact products.
ROUNDING = 2.0**-21
# Log probabilities that matter are not further from 0.
LOG_PROBS = 64


class Screen:
    """Bounds the log probabilities of the words of a cluster within the cluster.

    Args:
        projection: of the vectors of the cluster, (S, D).
        table: the vectors of its words, (M, S).
        bias: of its words, (M,).
    """

    def __init__(self, projection: Float32Array, table: Float32Array, bias: Float32Array) -> None:
        self._projection = projection
        self._table = table
        self._bias = bias

    def most_probable(self, projected: Float32Array) -> Float64Array:
        """A log probability that no word exceeds, (N,), for hidden vectors (N, D).

        A sum of K products with rounding errors u differs by at most about K u |x| |y| from the exact one (Higham
        2002, "Accuracy and Stability of Numerical Algorithms", section 3.1; Cauchy & Schwarz). The error of the
        logits has three parts: of the shortened vector, of its product with the words, and of the bias.
        """
        width, length = self._projection.shape
        shortened = projected @ self._projection.T
        logits = shortened @ self._table.T
        logits += self._bias
        lengths = np.sqrt(np.einsum("nd,nd->n", projected, projected), dtype=np.float64)
        error = (length + width) * lengths * self._longest_projection * self._longest + self._largest_bias
        most = logits.max(axis=1)
        sums = np.exp(logits - most[:, None]).sum(axis=1, dtype=np.float64)
        # log(sum(exp(logit))) has at most the error of a logit, too.
        # The exact log probabilities, of up to some -60, are rounded to float32 in a few places.
        bounds: Float64Array = 2 * ROUNDING * (LOG_PROBS + error + np.abs(most)) - np.log(sums)
        return bounds

    @cached_property
    def _longest(self) -> float:
        """The length of the longest word vector."""
        return math.sqrt(np.einsum("ms,ms->m", self._table, self._table).max())

    @cached_property
    def _longest_projection(self) -> float:
        """A bound of |projection x| / |x|: the root of the sum of squares (Frobenius)."""
        return math.sqrt(np.einsum("sd,sd->", self._projection, self._projection))

    @cached_property
    def _largest_bias(self) -> float:
        return float(np.abs(self._bias).max())
