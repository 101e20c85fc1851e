"""The most probable words of a distribution that is searched part by part."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.distributions import check_log_probs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array

# A bound of the relative error of two additions in float32, with room to spare.
ROUNDING = 2.0**-20


class BestWords:
    """Finds the k most probable words of one row. Of equally probable words, the smaller id comes first.

    Logits are compared before they are made log probabilities, and words are sorted at the end, so that both are
    done for few words.

    Args:
        k: number of words, 1 or more.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._ids: list[NDArray[np.int64]] = []
        self._log_probs: list[Float32Array] = []
        self._bar = -math.inf
        # Whether words have been added since the bar was computed.
        self._is_old = False

    @property
    def bar(self) -> float:
        """A log probability that every further word among the k best has at least; -inf: any may be among them."""
        if self._is_old:
            log_probs = np.concatenate(self._log_probs)
            if len(log_probs) >= self._k:
                self._bar = float(_kth_largest(log_probs, self._k))
            self._is_old = False
        return self._bar

    def add(
        self, logits: Float32Array, log_sum: float, log_prob: float, first_id: int, allowed: BoolArray | None
    ) -> None:
        """Search words with consecutive ids. The log probability of a word is its logit - `log_sum` + `log_prob`.

        Args:
            logits: (M,).
            log_sum: natural log of the sum of the exponentials of the logits.
            log_prob: natural log probability of the part of the distribution that these words are, a float32.
            first_id: the id of the first word.
            allowed: whether each word may be among the best, (M,); None: all may.

        Raises:
            DataError: a logit is NaN.
        """
        if math.isnan(log_sum):
            check_log_probs(np.array([log_sum]))
        bar = self.bar
        if bar == -math.inf:
            possible = logits if allowed is None else logits[allowed]
            if len(possible) >= self._k:
                bar = float(np.float32(float(_kth_largest(possible, self._k)) - log_sum)) + log_prob
        lowest = bar - log_prob + log_sum - ROUNDING * (abs(bar) + abs(log_prob) + abs(log_sum))
        # If the k-th best cannot come, `lowest` is -inf or NaN, and words that cannot come count, too.
        reaching = logits >= np.float32(lowest) if lowest > -math.inf else np.ones(len(logits), dtype=bool)
        if allowed is not None:
            reaching &= allowed
        (places,) = reaching.nonzero()
        if len(places):
            # Subtracted in float64 and added in float32, as where the whole distribution is computed.
            of_words = (logits[places] - np.float64(log_sum)).astype(np.float32)
            of_words += np.float32(log_prob)
            self._ids.append(places + first_id if first_id else places)
            self._log_probs.append(of_words)
            self._is_old = True

    def found(self) -> tuple[NDArray[np.int64], Float32Array]:
        """Ids and natural log probabilities of the k best words so far, best first, (k,) or fewer."""
        ids, log_probs = np.concatenate(self._ids), np.concatenate(self._log_probs)
        if len(ids) > 2 * self._k:
            kept = log_probs >= _kth_largest(log_probs, self._k)
            ids, log_probs = ids[kept], log_probs[kept]
        order = np.lexsort((ids, -log_probs))[: self._k]
        return ids[order], log_probs[order]


def _kth_largest(values: Float32Array, k: int) -> np.float32:
    place = len(values) - k
    kth: np.float32 = np.partition(values, place)[place]
    return kth
