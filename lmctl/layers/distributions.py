"""Functions of whole distributions: a check, and a search for the most probable words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray

# exp() of a larger number overflows. In ARPA files, probabilities may sum to a little more than 1, so logs above 0
# occur.
HIGHEST_LOG_PROB = 700.0


def check_log_probs(log_probs: Float32Array | Float64Array) -> None:
    """Check that the results of a model are log probabilities. -inf is one: the word is impossible.

    Finite weights may be so large that sums of their products are infinite or NaN.

    Args:
        log_probs: natural logs, of any shape.

    Raises:
        DataError: a value is NaN or above HIGHEST_LOG_PROB.
    """
    # The comparison is false for NaN, too.
    wrong = log_probs[~(log_probs <= HIGHEST_LOG_PROB)]
    if wrong.size:
        raise DataError(
            f"the model gives a word the log probability {wrong[0]}; "
            "its weights are damaged, or not those of a model"
        )


def largest(log_probs: Float32Array, token_ids: IntArray, k: int) -> tuple[IntArray, Float32Array]:
    """Find the k largest values of each row, the largest first; of equal values the smaller id comes first.

    Args:
        log_probs: (N, M).
        token_ids: the ids of the columns, rising, (M,).
        k: 0 to M.

    Returns:
        Ids and values, (N, k) each.

    Raises:
        DataError: a value is not a log probability.
    """
    rows, columns = log_probs.shape
    if k == 0:
        return np.zeros((rows, 0), dtype=np.int64), np.zeros((rows, 0), dtype=np.float32)
    # The maximum of a row is NaN if any value is NaN.
    check_log_probs(log_probs.max(axis=1))
    best_ids = np.empty((rows, k), dtype=np.int64)
    best = np.empty((rows, k), dtype=np.float32)
    # argpartition chooses among values equal to the k-th in any way, so all of them are compared.
    smallest = np.partition(log_probs, columns - k, axis=1)[:, columns - k]
    for row in range(rows):
        contenders = np.flatnonzero(log_probs[row] >= smallest[row])
        order = np.argsort(-log_probs[row, contenders], kind="stable")[:k]
        best_ids[row] = token_ids[contenders[order]]
        best[row] = log_probs[row, contenders[order]]
    return best_ids, best
