"""Progress of a command on standard error: one line that is redrawn, plain lines with --verbose, else nothing."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from lmctl.cli.output import terminal_console
from lmctl.progress import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.cli.output import Messages

# Seconds between two drawings of the line, and between two plain lines.
REDRAW_SECONDS = 0.1
PLAIN_PROGRESS_SECONDS = 10.0
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


@contextlib.contextmanager
def showing_activity(messages: Messages, first: str) -> Iterator[None]:
    """Show the activities that code in the block tells to `lmctl.progress`.

    Args:
        messages: how progress is shown.
        first: the activity that is shown until the first one is told.
    """
    estimate = Estimate()
    if messages.live:
        console = terminal_console(stderr=True)
        # The console writes to its own copy of standard error.
        with contextlib.closing(console.file), console.status(first) as status:

            def draw(activity: str, done: float, total: float | None) -> None:
                text = estimate.describe(activity, done, total)
                # A new activity is drawn at once, because the next message may come much later.
                if estimate.is_due(REDRAW_SECONDS) or estimate.is_new:
                    status.update(text)

            with listening(draw):
                yield
        return
    if not messages.plain:
        yield
        return
    # The first line is due after the same time as every later one.
    estimate.describe(first, 0, None)

    def write(activity: str, done: float, total: float | None) -> None:
        text = estimate.describe(activity, done, total)
        if estimate.is_due(PLAIN_PROGRESS_SECONDS):
            click.echo(f"lmctl: {text}", err=True)

    with listening(write):
        yield


def duration(seconds: float) -> str:
    """Return a duration as 1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
