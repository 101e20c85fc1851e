"""How long work goes on, by its progress so far."""

from __future__ import annotations

import time

# The share of an activity that must be done before the time that is left can be estimated.
LEAST_SHARE = 0.01


class Estimate:
    """Describes activities: the share that is done, and the time that is left.

    Attributes:
        is_new: whether the latest call of `describe` was for another activity than the call before.
    """

    def __init__(self) -> None:
        self.is_new = False
        self._activity = ""
        self._began = self._told = time.monotonic()
        self._from = 0.0

    def is_due(self, every_seconds: float) -> bool:
        """Return whether at least `every_seconds` have passed since this last returned true."""
        now = time.monotonic()
        if now - self._told < every_seconds:
            return False
        self._told = now
        return True

    def describe(self, activity: str, done: float, total: float | None) -> str:
        """Return a line such as `scoring  45 %  0:12 left`."""
        now = time.monotonic()
        self.is_new = activity != self._activity
        if self.is_new:
            self._activity, self._began, self._from = activity, now, done
        if not total or not done:
            return activity
        text = f"{activity}  {100 * done / total:.0f} %"
        worked = done - self._from
        if worked < LEAST_SHARE * total:
            return text
        return f"{text}  {duration((now - self._began) * (total - done) / worked)} left"


def duration(seconds: float) -> str:
    """Return a duration as 1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
