"""Functions of whole distributions: a check, a search for the most probable words, and random words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray

# exp() of a larger number overflows. In ARPA files, probabilities may sum to a little more than 1, so logs above 0
# occur.
HIGHEST_LOG_PROB = 700.0
# The largest number below 1.
LARGEST_UNIFORM = 1.0 - 2.0**-53
# Weights that are added up together.
BLOCK = 128


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


def drawn(
    log_weights: Float32Array | Float64Array, uniforms: Float64Array
) -> tuple[IntArray, Float64Array, Float64Array]:
    """Draw a column of each row, with probabilities proportional to its weights, by inversion.

    The column is the first one at which the sum of the weights, from the left, exceeds `uniform` times their total
    (Devroye 1986, "Non-Uniform Random Variate Generation", section III.2).

    Args:
        log_weights: natural logs, (N, M); -inf: the column is never drawn. Each row has a finite value.
        uniforms: a number of at least 0 and below 1 for each row, (N,).

    Returns:
        The columns; the rests of the uniform numbers; and the natural logs of the sums of the weights, (N,) each.
        A rest is the place of the number within the weight of its column, at least 0 and below 1. Given the
        column, it is uniformly distributed again.
    """
    rows, columns = log_weights.shape
    largest_of_rows = log_weights.max(axis=1, keepdims=True)
    # Weights are added in blocks, which is faster than adding them one after the other; then within one block.
    blocks = -(-columns // BLOCK)
    weights = np.zeros((rows, blocks * BLOCK), dtype=log_weights.dtype)
    inside = weights[:, :columns]
    np.exp(np.subtract(log_weights, largest_of_rows, out=inside), out=inside)
    weights = weights.reshape(rows, blocks, BLOCK)
    up_to = np.cumsum(weights.sum(axis=2), axis=1, dtype=np.float64)
    places = uniforms * up_to[:, -1]
    drawn_columns = np.empty(rows, dtype=np.int64)
    rests = np.empty(rows)
    for row, place in enumerate(places):
        block = _place(up_to[row], place)
        place_in_block = place - (up_to[row, block - 1] if block else 0.0)
        within = np.cumsum(weights[row, block], dtype=np.float64)
        column = _place(within, place_in_block)
        before = within[column - 1] if column else 0.0
        drawn_columns[row] = block * BLOCK + column
        rests[row] = min((place_in_block - before) / (within[column] - before), LARGEST_UNIFORM)
    return drawn_columns, rests, np.log(up_to[:, -1]) + largest_of_rows[:, 0]


def _place(up_to: Float64Array, number: float) -> int:
    """The first place at which sums that rise, (N,), exceed a number; if none does, by rounding, the last rise."""
    place = int(np.searchsorted(up_to, number, side="right"))
    return place if place < len(up_to) else int(np.searchsorted(up_to, up_to[-1]))


def drawn_tokens(log_probs: Float32Array, uniforms: Float64Array, excluded: int) -> tuple[IntArray, Float32Array]:
    """Draw a token of each distribution, as `LanguageModel.sample` does.

    Args:
        log_probs: natural logs of whole distributions, (N, V).
        uniforms: a number of at least 0 and below 1 for each row, (N,).
        excluded: the id of the token that is never drawn.

    Returns:
        Ids and natural log probabilities, (N,) each; -inf: no other token has a probability above 0.

    Raises:
        DataError: a value is not a log probability.
    """
    log_probs = log_probs.copy()
    log_probs[:, excluded] = -np.inf
    best = log_probs.max(axis=1)
    check_log_probs(best)
    ids = np.zeros(len(log_probs), dtype=np.int64)
    possible = np.flatnonzero(best > -np.inf)
    if len(possible):
        rows = log_probs if len(possible) == len(log_probs) else log_probs[possible]
        ids[possible] = drawn(rows, uniforms[possible])[0]
    found: Float32Array = np.where(best > -np.inf, log_probs[np.arange(len(ids)), ids], -np.inf)
    return ids, found.astype(np.float32)
