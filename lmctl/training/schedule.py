"""The schedule of the learning rate, and early stopping."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.config import TrainingConfig
    from lmctl.training.checkpoint import Progress


# The warm-up takes at most this share of the planned steps, so that a short plan also reaches the full rate.
LONGEST_WARMUP = 0.25


class Schedule:
    """The learning rate of every step, and early stopping.

    Args:
        training: the keys learning_rate, schedule, warmup_steps, decay_factor and patience are used.
        progress: the progress of the run. The schedule keeps the best epoch, the number of decays and the number
            of epochs without improvement in it.
    """

    def __init__(self, training: TrainingConfig, progress: Progress) -> None:
        self._training = training
        self._progress = progress

    def learning_rate(self, step: int, progress: float, planned_steps: float = math.inf) -> float:
        """Return the learning rate of one step.

        Args:
            step: number of the step, from 0.
            progress: share of the planned training that is done, 0 to 1.
            planned_steps: number of planned steps; an estimate is enough.
        """
        training = self._training
        warmup = min(training.warmup_steps, LONGEST_WARMUP * planned_steps)
        rate = training.learning_rate * min(1.0, (step + 1) / max(warmup, 1.0))
        left = max(0.0, 1.0 - progress)
        if training.schedule == "linear":
            return rate * left
        if training.schedule == "cosine":
            return rate * 0.5 * (1.0 - math.cos(math.pi * left))
        # A power with a negative exponent becomes 0 in the end. One with a positive exponent would overflow.
        return rate * training.decay_factor**-self._progress.decays

    @property
    def is_out_of_patience(self) -> bool:
        """Whether `patience` epochs in a row have not improved the validation perplexity."""
        return self._progress.epochs_without_improvement >= self._training.patience

    def epoch_done(self, cross_entropy_nats: float | None, best_on_part: float | None = None) -> bool:
        """Record the validation of the epoch in progress.

        Args:
            cross_entropy_nats: nats per token of the validation text; None if there is no validation text.
            best_on_part: the best epoch's nats per token of the same part of the text, if only a part was scored.

        Returns:
            Whether this epoch is the best so far.
        """
        progress = self._progress
        best_nats = math.inf if progress.best_nats is None else progress.best_nats
        if best_on_part is not None:
            best_nats = best_on_part
        if cross_entropy_nats is None or cross_entropy_nats < best_nats:
            progress.best_nats = cross_entropy_nats
            progress.best_epoch = progress.epoch + 1
            progress.epochs_without_improvement = 0
            return True
        progress.epochs_without_improvement += 1
        if self._training.schedule == "plateau":
            progress.decays += 1
        return False
