"""The second moments of Adam at the end of a training, from which a warm start goes on.

Adam divides every step by the root of a running mean of squared gradients. A training that starts with this mean
at zero learns it from its first steps. Until a rare word occurs, it has only the small gradients that lower its
probability; divided by their own size, they become large steps. In short trainings, night after night, rare words
lose probability (docs/benchmarks.md, "Warm starts", has measurements). So a bundle keeps the means. A matrix is
kept as the means of its rows and of its columns, whose product, over the mean of all, stands for it (Shazeer &
Stern 2018, arXiv:1804.04235).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.store.moments import COLUMNS, ROWS, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, IntArray


def summarize(moments: Mapping[str, NDArray[np.float32]], steps: int) -> dict[str, NDArray[Any]]:
    """Return what a bundle keeps of second moments.

    Args:
        moments: of each weight, by name, in the weight's shape.
        steps: number of steps that they are of.

    Returns:
        For a weight of shape (R, ...), `name/rows` (R,) and `name/columns` (...); for a vector, `name`; and
        `steps`, int64 (1,).
    """
    kept: dict[str, NDArray[Any]] = {STEPS: np.array([steps], np.int64)}
    for name, moment in moments.items():
        if moment.ndim < 2:
            kept[name] = moment
        else:
            kept[name + ROWS] = moment.mean(axis=tuple(range(1, moment.ndim)), dtype=np.float64).astype(np.float32)
            kept[name + COLUMNS] = moment.mean(axis=0, dtype=np.float64).astype(np.float32)
    return kept


def carry_over(
    kept: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], rows: Mapping[str, IntArray]
) -> dict[str, NDArray[Any]] | None:
    """Return the second moments for a network with another vocabulary.

    A row that was made anew has the mean of the rows that were kept.

    Args:
        kept: as `summarize` returns it.
        shapes: the shape of each weight of the new network, by name.
        rows: for each weight with a row for each word, the row of the older weight that each row was, (R,); -1: it
            was made anew.

    Returns:
        What `summarize` would return for the new network; None if `kept` does not fit.
    """
    if STEPS not in kept or kept[STEPS].shape != (1,):
        return None
    carried: dict[str, NDArray[Any]] = {STEPS: kept[STEPS]}
    for name, shape in shapes.items():
        is_vector = len(shape) < 2
        by_row = kept.get(name if is_vector else name + ROWS)
        columns = None if is_vector else kept.get(name + COLUMNS)
        if (
            by_row is None
            or by_row.ndim != 1
            or (not is_vector and (columns is None or columns.shape != shape[1:]))
        ):
            return None
        if name in rows:
            origin = rows[name]
            known = origin >= 0
            if not known.any() or origin.max() >= len(by_row):
                return None
            by_row = np.where(known, by_row[origin], by_row[origin[known]].mean(dtype=np.float64)).astype(
                np.float32
            )
        if by_row.shape != shape[:1]:
            return None
        carried[name if is_vector else name + ROWS] = by_row
        if columns is not None:
            carried[name + COLUMNS] = columns
    return carried


def expand(kept: Mapping[str, NDArray[Any]], name: str) -> Float32Array:
    """Return the second moments of one weight in its shape, from what `summarize` or `carry_over` returned."""
    if name in kept:
        return kept[name]
    rows, columns = kept[name + ROWS], kept[name + COLUMNS]
    # The tiny number keeps 0 / 0 of a weight without gradients at 0.
    scaled = rows / max(float(rows.mean(dtype=np.float64)), float(np.finfo(np.float32).tiny))
    product: Float32Array = np.multiply.outer(scaled, columns).astype(np.float32)
    return product
