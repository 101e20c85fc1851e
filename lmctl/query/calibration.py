"""Calibration of a model's top answer: of the answers given with 70 % probability, about 70 % should be right.

The definitions are those of Guo et al. 2017 (On Calibration of Modern Neural Networks, arXiv:1706.04599). The
confidence of an answer is its probability. Answers are put into M bins of equal width by their confidence; bin m
holds confidences in ((m - 1) / M, m / M]. With n answers in all, the expected calibration error is

    ECE = sum over bins of  (answers in the bin / n) * |accuracy of the bin - mean confidence of the bin|

An answer is a token of the vocabulary. `<unk>` is right if the text has an OOV there, and `</s>` if the sentence
ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import BoolArray, Float64Array

# As in the experiments of Guo et al.
BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in one interval.

    Attributes:
        low: lower end of the interval, which does not belong to it.
        high: upper end, which does.
        answers: number of answers.
        confidence: mean confidence.
        accuracy: share of answers that are right.
    """

    low: float
    high: float
    answers: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of a model on a text.

    Attributes:
        answers: number of answers.
        accuracy: share of answers that are right.
        confidence: mean confidence.
        error: the expected calibration error, from 0 to 1.
        bins: the bins that have answers, by rising confidence.
    """

    answers: int
    accuracy: float
    confidence: float
    error: float
    bins: list[Bin]


class CalibrationTally:
    """Adds up answers, bin by bin.

    Args:
        bins: M.
    """

    def __init__(self, bins: int = BINS) -> None:
        self._answers = np.zeros(bins, dtype=np.int64)
        self._confidences = np.zeros(bins)
        self._right = np.zeros(bins, dtype=np.int64)

    def add(self, confidences: Float64Array, right: BoolArray) -> None:
        """Add answers: their probabilities, and whether each is right, both (N,)."""
        count = len(self._answers)
        # Compared with the upper ends themselves: a product with M may round past the end.
        ends = np.arange(1, count + 1) / count
        places = np.minimum(np.searchsorted(ends, confidences), count - 1)
        self._answers += np.bincount(places, minlength=count)
        self._confidences += np.bincount(places, confidences, minlength=count)
        self._right += np.bincount(places[right], minlength=count)

    def calibration(self) -> Calibration | None:
        """Return the calibration of all answers; None if there are none."""
        total, count = int(self._answers.sum()), len(self._answers)
        if not total:
            return None
        bins = [
            Bin(
                place / count,
                (place + 1) / count,
                int(answers),
                float(confidence / answers),
                float(right / answers),
            )
            for place, (answers, confidence, right) in enumerate(
                zip(self._answers, self._confidences, self._right, strict=True)
            )
            if answers
        ]
        return Calibration(
            answers=total,
            accuracy=float(self._right.sum() / total),
            confidence=float(self._confidences.sum() / total),
            error=float(np.abs(self._right - self._confidences).sum() / total),
            bins=bins,
        )
