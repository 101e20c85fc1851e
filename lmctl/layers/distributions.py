"""What is done with whole distributions: checked, and searched for the most probable words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray

# exp() of more is no number; ARPA files whose probabilities sum to a little more than 1 are far below.
HIGHEST_LOG_PROB = 700.0


def check_log_probs(log_probs: Float32Array | Float64Array) -> None:
    """See that a model has answered with logarithms of probabilities, -inf of an impossible word included.

    Finite weights may still be so large that sums of their products are not.

    Raises:
        DataError: it has not.
    """
    # What is not a number is not at most anything.
    wrong = log_probs[~(log_probs <= HIGHEST_LOG_PROB)]
    if wrong.size:
        raise DataError(
            f"the model gives a word the log probability {wrong[0]}; its weights are damaged, or no model's"
        )


def largest(log_probs: Float32Array, token_ids: IntArray, k: int) -> tuple[IntArray, Float32Array]:
    """The k largest of each row, with the ids of their columns (which rise)."""
    rows, columns = log_probs.shape
    if k == 0:
        return np.zeros((rows, 0), dtype=np.int64), np.zeros((rows, 0), dtype=np.float32)
    # The largest of a row is not a number if one of them is none.
    check_log_probs(log_probs.max(axis=1))
    best_ids = np.empty((rows, k), dtype=np.int64)
    best = np.empty((rows, k), dtype=np.float32)
    # argpartition leaves open which of several equal values makes the cut: take all that equal the k-th.
    smallest = np.partition(log_probs, columns - k, axis=1)[:, columns - k]
    for row in range(rows):
        contenders = np.flatnonzero(log_probs[row] >= smallest[row])
        order = np.argsort(-log_probs[row, contenders], kind="stable")[:k]
        best_ids[row] = token_ids[contenders[order]]
        best[row] = log_probs[row, contenders[order]]
    return best_ids, best
