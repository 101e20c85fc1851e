"""The output layer in NumPy: a normalised distribution over the whole vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.runtime.base import Float32Array, Float64Array, IntArray

# Logits of this many positions times words are held at once: 64 MiB.
LOGITS_AT_ONCE = 1 << 24


@dataclass(frozen=True, slots=True)
class FullSoftmax:
    """Logits are the products of the hidden vector with every word's output embedding, plus a bias.

    Attributes:
        embedding: (V, H), or (V, E) behind a projection.
        bias: (V,).
        projection: (H, E), where hidden vectors and embedding differ in dimension; else None.
    """

    embedding: Float32Array
    bias: Float32Array
    projection: Float32Array | None = None

    def log_probs(self, hidden: Float32Array) -> Float32Array:
        """Natural log probabilities, (N, V), of hidden vectors (N, H)."""
        log_probs = np.empty((len(hidden), len(self.bias)), dtype=np.float32)
        rows = max(1, LOGITS_AT_ONCE // len(self.bias))
        for first in range(0, len(hidden), rows):
            logits = self._logits(hidden[first : first + rows])
            log_probs[first : first + rows] = logits - _log_sum_exp(logits)[:, None]
        return log_probs

    def score(
        self, hidden: Float32Array, targets: IntArray, *, ranks: bool
    ) -> tuple[Float64Array, NDArray[np.int64] | None]:
        """Natural log probability of each target, (N,), and its rank, (N,), if asked for.

        Args:
            hidden: (N, H).
            targets: token ids, (N,).
            ranks: whether to count how many words are at least as probable as the target.
        """
        log_probs = np.empty(len(targets), dtype=np.float64)
        target_ranks = np.empty(len(targets), dtype=np.int64) if ranks else None
        rows = max(1, LOGITS_AT_ONCE // len(self.bias))
        for first in range(0, len(targets), rows):
            part = slice(first, first + rows)
            logits = self._logits(hidden[part])
            of_targets = np.take_along_axis(logits, targets[part, None], axis=1)
            if target_ranks is not None:
                target_ranks[part] = np.count_nonzero(logits >= of_targets, axis=1)
            log_probs[part] = of_targets[:, 0] - _log_sum_exp(logits)
        return log_probs, target_ranks

    def _logits(self, hidden: Float32Array) -> Float32Array:
        if self.projection is not None:
            hidden = hidden @ self.projection
        logits: Float32Array = hidden @ self.embedding.T
        logits += self.bias
        return logits


def _log_sum_exp(logits: Float32Array) -> Float64Array:
    """log(sum(exp(row))) of each row, (N,); the row maximum keeps exp() finite and cancels."""
    largest = logits.max(axis=1, keepdims=True)
    sums = np.exp(logits - largest).sum(axis=1, dtype=np.float64)
    return largest[:, 0] + np.log(sums)  # type: ignore[no-any-return]
