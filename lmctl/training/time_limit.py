"""A limit of time, turned into a number of steps.

The number is decided once, before training, by the speed of a few steps that change nothing, so that the learning
rate can be planned for it. It is stored with the model, and `training.steps` trains the same model again. After
that, a clock stops training only where the machine has become slower than it was.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The first steps, in which TensorFlow compiles, say nothing about speed.
UNTYPICAL_STEPS = 5
FEWEST_MEASURED_STEPS = 20
MOST_MEASURED_STEPS = 100
# Share of the limit spent on measuring, at most, and share kept for what comes after training.
MEASURING = 0.03
RESERVE = 0.02
SMALLEST_RESERVE_SECONDS = 2.0


class TimeLimit:
    """Turns the time until a deadline into a number of steps.

    Args:
        deadline: when the whole run is to be over, in seconds of `clock`.
        clock: a monotonic clock.

    Attributes:
        validation_seconds: what the validation at the end takes.
    """

    def __init__(self, deadline: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = deadline
        self._clock = clock
        self._began = clock()
        self._seconds: list[float] = []
        self.validation_seconds = 0.0
        self._reserve = max(SMALLEST_RESERVE_SECONDS, RESERVE * (deadline - self._began))

    @property
    def measured(self) -> bool:
        """Whether the speed is known well enough."""
        steps = len(self._seconds) - UNTYPICAL_STEPS
        long_enough = self._clock() - self._began > MEASURING * (self._deadline - self._began)
        return steps >= MOST_MEASURED_STEPS or (steps >= FEWEST_MEASURED_STEPS and long_enough)

    def step_took(self, seconds: float) -> None:
        """Take note of one step's time."""
        self._seconds.append(seconds)

    def plan(self, steps_per_epoch: float, validation_seconds: float) -> int:
        """How many steps training is to have.

        Args:
            steps_per_epoch: about how many.
            validation_seconds: what a validation takes, one after each epoch and one at the end.
        """
        self.validation_seconds = validation_seconds
        step_seconds = statistics.median(self._seconds[UNTYPICAL_STEPS:] or self._seconds)
        left = self._deadline - self._reserve - self._clock()
        epoch_seconds = steps_per_epoch * step_seconds + validation_seconds
        validations = math.ceil(left / epoch_seconds)
        return max(1, int((left - validations * validation_seconds) / step_seconds))

    def is_over(self) -> bool:
        """Whether training must stop here, for what comes after it to be done before the deadline."""
        return self._clock() > self._deadline - self.validation_seconds - self._reserve / 2
