"""How the learning rate changes, and when to stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.config import TrainingConfig
    from lmctl.training.checkpoint import Progress


# The warm-up takes at most this share of the planned steps: a short plan reaches the full rate too.
LONGEST_WARMUP = 0.25


class Schedule:
    """The learning rate at every point of training, and the patience with epochs that do not improve.

    Args:
        training: learning_rate, schedule, warmup_steps, decay_factor, patience.
        progress: of the run, in which it keeps the best epoch, the decays, and the epochs without improvement.
    """

    def __init__(self, training: TrainingConfig, progress: Progress) -> None:
        self._training = training
        self._progress = progress

    def learning_rate(self, step: int, progress: float, planned_steps: float = math.inf) -> float:
        """The rate of one update.

        Args:
            step: its number, from 0.
            progress: how much of the planned training is done, 0 to 1.
            planned_steps: how many there are to be, about.
        """
        training = self._training
        warmup = min(training.warmup_steps, LONGEST_WARMUP * planned_steps)
        rate = training.learning_rate * min(1.0, (step + 1) / max(warmup, 1.0))
        left = max(0.0, 1.0 - progress)
        if training.schedule == "linear":
            return rate * left
        if training.schedule == "cosine":
            return rate * 0.5 * (1.0 - math.cos(math.pi * left))
        return rate / training.decay_factor**self._progress.decays

    @property
    def is_out_of_patience(self) -> bool:
        """Whether too many epochs have brought nothing."""
        return self._progress.epochs_without_improvement >= self._training.patience

    def epoch_done(self, cross_entropy_nats: float | None) -> bool:
        """Take note of the validation of the epoch in progress.

        Args:
            cross_entropy_nats: of the validation text; None if there is none.

        Returns:
            Whether this epoch is the best so far.
        """
        progress = self._progress
        best_nats = math.inf if progress.best_nats is None else progress.best_nats
        if cross_entropy_nats is None or cross_entropy_nats < best_nats:
            progress.best_nats = cross_entropy_nats
            progress.best_epoch = progress.epoch + 1
            progress.epochs_without_improvement = 0
            return True
        progress.epochs_without_improvement += 1
        if self._training.schedule == "plateau":
            progress.decays += 1
        return False
