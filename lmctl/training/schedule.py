"""How the learning rate changes, and when to stop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.config import TrainingConfig


# The warm-up takes at most this share of the planned steps: a short plan reaches the full rate too.
LONGEST_WARMUP = 0.25


class Schedule:
    """The learning rate at every point of training, and the patience with epochs that do not improve.

    Args:
        training: learning_rate, schedule, warmup_steps, decay_factor, patience.
    """

    def __init__(self, training: TrainingConfig) -> None:
        self._training = training
        self._decays = 0
        self._best = math.inf
        self._epochs_without_improvement = 0

    @property
    def standing(self) -> tuple[int, int]:
        """Decays so far, and the epochs since the best one."""
        return self._decays, self._epochs_without_improvement

    def restore(self, decays: int, best_nats: float | None, epochs_without_improvement: int) -> None:
        """Go on from where another run stood."""
        self._decays = decays
        self._best = math.inf if best_nats is None else best_nats
        self._epochs_without_improvement = epochs_without_improvement

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
        return rate / training.decay_factor**self._decays

    @property
    def is_out_of_patience(self) -> bool:
        """Whether too many epochs have brought nothing."""
        return self._epochs_without_improvement >= self._training.patience

    def epoch_done(self, cross_entropy_nats: float | None) -> bool:
        """Take note of an epoch's validation.

        Args:
            cross_entropy_nats: of the validation text; None if there is none.

        Returns:
            Whether this epoch is the best so far.
        """
        if cross_entropy_nats is None:
            return True
        if cross_entropy_nats < self._best:
            self._best = cross_entropy_nats
            self._epochs_without_improvement = 0
            return True
        self._epochs_without_improvement += 1
        if self._training.schedule == "plateau":
            self._decays += 1
        return False
