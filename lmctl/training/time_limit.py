"""A limit of time, turned into a number of steps.

The number is decided before training, by the speed of a few steps that change nothing, so that the learning rate
can be planned for it. It is stored with the model, and `training.steps` trains the same model again. If the
machine becomes slower than it was, fewer steps are planned for the rest of the time, and what comes after training
is expected to take longer as well. No number of steps repeats the outcome then.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# The first steps, in which TensorFlow compiles, say nothing about speed.
UNTYPICAL_STEPS = 5
FEWEST_MEASURED_STEPS = 20
MOST_MEASURED_STEPS = 100
# Share of the limit spent on measuring as many steps as that; slow steps are measured less well, for more of it.
MEASURING_SHARE = 0.03
FEWEST_SLOW_STEPS, SLOW_MEASURING_SHARE = 3, 0.1
# Share of the limit kept for what comes after training.
RESERVE_SHARE = 0.02
SMALLEST_RESERVE_SECONDS = 2.0
# Share of the time left for training that the validation at its end may take; if it would take more, a part of the
# text is scored.
VALIDATION_SHARE = 0.25
# A plan is shortened by this share or more: a few slow steps change nothing.
LEAST_SHORTENING = 0.02


class TimeLimit:
    """Turns the time until a deadline into a number of steps.

    Args:
        deadline: when training is to be over, in seconds of `clock`.
        seconds_after: what comes after it takes at the speed that the machine has now; the deadline allows for it.
        clock: a monotonic clock.

    Attributes:
        seconds_after: as given.
        validation_seconds: what the validation at the end takes.
    """

    def __init__(
        self, deadline: float, seconds_after: float = 0.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._deadline = deadline
        self.seconds_after = seconds_after
        self._clock = clock
        self._began = clock()
        self._seconds: list[float] = []
        self._step_seconds = 0.0
        self._last = self._began
        self._recent: deque[float] = deque(maxlen=MOST_MEASURED_STEPS)
        self.validation_seconds = 0.0
        self._reserve = max(SMALLEST_RESERVE_SECONDS, RESERVE_SHARE * (deadline - self._began))

    @property
    def measured(self) -> bool:
        """Whether the speed is known well enough."""
        steps = len(self._seconds) - UNTYPICAL_STEPS
        spent = (self._clock() - self._began) / (self._deadline - self._began)
        return (
            steps >= MOST_MEASURED_STEPS
            or (steps >= FEWEST_MEASURED_STEPS and spent > MEASURING_SHARE)
            or (steps >= FEWEST_SLOW_STEPS and spent > SLOW_MEASURING_SHARE)
        )

    def step_took(self, seconds: float) -> None:
        """Take note of the time of a step that measures."""
        self._seconds.append(seconds)

    def left_seconds(self) -> float:
        """Seconds that training and its validation may still take."""
        return self._deadline - self._reserve - self._clock()

    def plan(self, steps_per_epoch: float, validation_seconds: float) -> int:
        """How many steps training is to have.

        Args:
            steps_per_epoch: about how many.
            validation_seconds: what a validation takes, one after each epoch and one at the end.
        """
        self.validation_seconds = validation_seconds
        self._step_seconds = statistics.median(self._seconds[UNTYPICAL_STEPS:] or self._seconds)
        left = self.left_seconds()
        self._last = self._clock()
        return max(1, _fitting(left, self._step_seconds, steps_per_epoch, validation_seconds))

    def begin(self) -> None:
        """An epoch begins: what was done since the last step was not a step."""
        self._last = self._clock()

    def shortened(self, step: int, planned: int, steps_per_epoch: float) -> int:
        """The plan that is still possible after a step of training.

        Args:
            step: how many are done.
            planned: how many were to be done in all.
            steps_per_epoch: about how many.

        Returns:
            `planned`, or fewer if the machine has become slower than it was when it was measured.
        """
        now = self._clock()
        self._recent.append(now - self._last)
        self._last = now
        if len(self._recent) < FEWEST_MEASURED_STEPS:
            return planned
        left = self._deadline - self._reserve / 2 - now - (self.slowdown - 1) * self.seconds_after
        validation = self.validation_seconds * self.slowdown
        possible = step + max(0, _fitting(left, statistics.fmean(self._recent), steps_per_epoch, validation))
        return possible if possible < planned * (1 - LEAST_SHORTENING) else planned

    @property
    def slowdown(self) -> float:
        """How many times as long as when it was measured a step takes now; at least 1."""
        if not self._step_seconds or len(self._recent) < FEWEST_MEASURED_STEPS:
            return 1.0
        return max(1.0, statistics.fmean(self._recent) / self._step_seconds)

    def is_over(self) -> bool:
        """Whether training must stop here, for what comes after it to be done before the deadline."""
        after = self.validation_seconds * self.slowdown + (self.slowdown - 1) * self.seconds_after
        return self._clock() > self._deadline - after - self._reserve / 2


def _fitting(seconds: float, step_seconds: float, steps_per_epoch: float, validation_seconds: float) -> int:
    """How many steps fit in so much time, with a validation after each epoch and one at the end."""
    validations = math.ceil(seconds / (steps_per_epoch * step_seconds + validation_seconds))
    return int((seconds - validations * validation_seconds) / step_seconds)
