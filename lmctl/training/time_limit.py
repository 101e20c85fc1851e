"""Turns a time limit into a number of steps.

The number is planned before training, because the schedule of the learning rate needs it. It follows from the
speed of a few measured steps, which change no weights. The model stores the number, and `training.steps` with this
number trains the same model again. If the machine becomes slower, fewer steps are planned for the rest of the
time, and the work after training is expected to take longer, too. If it becomes faster again, more steps are
planned. The same model cannot be trained again then.

The validation after the last epoch is cut short if the machine becomes slower while it runs.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING

from lmctl.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

# TensorFlow compiles in the first steps, so their times are not counted.
UNTYPICAL_STEPS = 5
FEWEST_MEASURED_STEPS = 20
MOST_MEASURED_STEPS = 100
# Largest shares of the limit for measuring FEWEST_MEASURED_STEPS, and for measuring FEWEST_SLOW_STEPS if steps are
# slow.
MEASURING_SHARE = 0.03
FEWEST_SLOW_STEPS, SLOW_MEASURING_SHARE = 3, 0.1
# Share of the limit that is kept for the work after training.
RESERVE_SHARE = 0.02
SMALLEST_RESERVE_SECONDS = 2.0
# Largest share of the time left that is kept for work after training that can be cut short.
AFTER_SHARE = 0.15
# Share of the time left for training that the validation at its end may take, and share of the time of an epoch
# that each validation may take. If the whole validation text takes longer, a part of it is scored.
VALIDATION_SHARE, EPOCH_VALIDATION_SHARE = 0.25, 0.1
# A plan changes by these shares or more, so that it stays the same on a machine whose speed varies a little. More
# is lost if the time is over before the learning rate has fallen than if some of the time is not used.
LEAST_SHORTENING, LEAST_LENGTHENING = 0.02, 0.05
# A step that takes more than this share of the reserve is not begun if it would end too late.
LONG_STEP = 0.1


class TimeLimit:
    """Plans the number of steps until the end of a run.

    Args:
        end: end of the run, in seconds of `clock`.
        seconds_after: time that the work after training takes at the machine's present speed.
        seconds_needed: the part of it that cannot be cut short. If that is less, the work after training gets at
            most AFTER_SHARE of the time left when the steps are planned.
        clock: a monotonic clock, in seconds.

    Attributes:
        seconds_needed: as given.
        validation_seconds: time that the validation at the end takes.
        curve_seconds: time of the points of the curve, which is kept beside that of the validations.
        validation_deadline: the time at which a validation is cut short.
        clock: as given.
    """

    def __init__(
        self,
        end: float,
        seconds_after: float = 0.0,
        *,
        seconds_needed: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end = end
        self._wanted_after = max(seconds_after, seconds_needed)
        self._planned_after: float | None = None
        self.seconds_needed = seconds_needed
        self.validation_deadline = Deadline(end - seconds_needed, clock)
        self.clock = clock
        self._began = clock()
        self._seconds: list[float] = []
        self._step_seconds = 0.0
        self._last = self._began
        self._recent: deque[float] = deque(maxlen=MOST_MEASURED_STEPS)
        # Number of the next steps whose times say nothing of the steps after them.
        self._untypical = 0
        self.validation_seconds = 0.0
        self.curve_seconds = 0.0
        self._reserve = max(SMALLEST_RESERVE_SECONDS, RESERVE_SHARE * (end - self._began))

    @property
    def terms(self) -> tuple[float, float, float]:
        """The end, and the times after training of which this limit was made, all and those needed, in seconds."""
        return self._end, self._wanted_after, self.seconds_needed

    @property
    def measured(self) -> bool:
        """Whether enough steps have been measured."""
        steps = len(self._seconds) - UNTYPICAL_STEPS
        spent = (self.clock() - self._began) / (self._end - self._began)
        return (
            steps >= MOST_MEASURED_STEPS
            or (steps >= FEWEST_MEASURED_STEPS and spent > MEASURING_SHARE)
            or (steps >= FEWEST_SLOW_STEPS and spent > SLOW_MEASURING_SHARE)
        )

    @property
    def measured_step_seconds(self) -> float:
        """Median time of a measured step, in seconds."""
        return statistics.median(self._seconds[UNTYPICAL_STEPS:] or self._seconds)

    def step_took(self, seconds: float) -> None:
        """Record the time of a measured step, in seconds."""
        self._seconds.append(seconds)

    @property
    def seconds_after(self) -> float:
        """Time that is kept for the work after training: as planned, or as it would be planned now."""
        if self._planned_after is not None:
            return self._planned_after
        return max(self.seconds_needed, min(self._wanted_after, AFTER_SHARE * (self._end - self.clock())))

    @property
    def _deadline(self) -> float:
        """End of training, its validation included."""
        return self._end - self.seconds_after

    def left_seconds(self) -> float:
        """Return the seconds that are left for training and its validation."""
        return self._deadline - self._reserve - self.clock()

    def plan(self, steps_per_epoch: float, validation_seconds: float) -> int:
        """Return the number of steps that fit in the time left, at least 1.

        Args:
            steps_per_epoch: number of steps in an epoch; an estimate is enough.
            validation_seconds: time of a validation; there is one after each epoch and one at the end.
        """
        self._keep(validation_seconds)
        self._step_seconds = self.measured_step_seconds
        left = self.left_seconds() - self.curve_seconds
        self._last = self.clock()
        return max(1, _fitting(left, self._step_seconds, steps_per_epoch, validation_seconds))

    def resume(self, validation_seconds: float) -> None:
        """Keep to a plan that was made before an interruption. TensorFlow compiles again in the next steps.

        Args:
            validation_seconds: time of a validation.
        """
        self._keep(validation_seconds)
        self._untypical = UNTYPICAL_STEPS

    def _keep(self, validation_seconds: float) -> None:
        self.validation_seconds = validation_seconds
        self._planned_after = self.seconds_after

    def begin(self, *, lags: bool = False) -> None:
        """Start the clock of the next step, so that the time since the last step does not count as a step.

        Args:
            lags: whether the clock tells when the last step began, as that of several hosts does. The next step is
                not measured then: its time would begin with the last step.
        """
        self._last = self.clock()
        if lags:
            self._untypical = max(self._untypical, 1)

    def replanned(self, step: int, planned: int, steps_per_epoch: float, epoch_steps: int) -> int:
        """Return the number of steps that are possible in all; called after each step of training.

        Args:
            step: number of steps that are done.
            planned: number of steps planned in all.
            steps_per_epoch: number of steps in an epoch; an estimate is enough.
            epoch_steps: number of steps that are done of the epoch in progress.

        Returns:
            `planned`, fewer if the machine has become slower since that was planned, or more if it has become
            faster.
        """
        now = self.clock()
        seconds, self._last = now - self._last, now
        if self._untypical:
            self._untypical -= 1
            return planned
        self._recent.append(seconds)
        if len(self._recent) < FEWEST_MEASURED_STEPS:
            return planned
        # After an interruption, the first steps are the measure of the later ones.
        self._step_seconds = self._step_seconds or statistics.median(self._recent)
        left = self._deadline - self._reserve / 2 - now - (self.slowdown - 1) * self.seconds_after
        left -= self.curve_seconds * max(0.0, 1 - step / planned) * self.slowdown
        validation, step_seconds = self.validation_seconds * self.slowdown, statistics.fmean(self._recent)
        possible = step + max(0, _fitting(left, step_seconds, steps_per_epoch, validation, epoch_steps))
        keeps = planned * (1 - LEAST_SHORTENING) <= possible <= planned * (1 + LEAST_LENGTHENING)
        return planned if keeps else possible

    @property
    def slowdown(self) -> float:
        """Time of a step now, divided by the measured time of a step; at least 1."""
        if not self._step_seconds or len(self._recent) < FEWEST_MEASURED_STEPS:
            return 1.0
        return max(1.0, statistics.fmean(self._recent) / self._step_seconds)

    def is_over(self) -> bool:
        """Return whether training must stop now, so that the rest of the run ends in time."""
        after = self.validation_seconds * self.slowdown + (self.slowdown - 1) * self.seconds_after
        return self.clock() + self._next_step_seconds() > self._deadline - after - self._reserve / 2

    def _next_step_seconds(self) -> float:
        """Time that the next step takes, as long as the longest of the last ones; 0 before the first one.

        Steps that take next to no time of the reserve do not count: a single slow one ends nothing.
        """
        if not self._recent:
            return 0.0
        usual = self._step_seconds or statistics.median(self._recent)
        return max(self._recent) if usual > LONG_STEP * self._reserve else 0.0


def _fitting(
    seconds: float, step_seconds: float, steps_per_epoch: float, validation_seconds: float, epoch_steps: int = 0
) -> int:
    """Return the number of steps that fit in a time, with a validation after each epoch and one at the end.

    The first epoch has only the steps that are left of it if `epoch_steps` of its steps are done.
    """
    done_seconds = min(epoch_steps, steps_per_epoch) * step_seconds
    validations = math.ceil((done_seconds + seconds) / (steps_per_epoch * step_seconds + validation_seconds))
    return int((seconds - validations * validation_seconds) / step_seconds)
