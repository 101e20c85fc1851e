"""What is being done, and how far it has come: one line that is redrawn, plain lines on request, else nothing."""

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

# How often a line is drawn anew, and how often plain progress says something.
REDRAW_SECONDS = 0.1
PLAIN_PROGRESS_SECONDS = 10.0
# Of less, nobody can tell how long the rest takes.
LEAST_SHARE = 0.01


class Estimate:
    """Describes activities, with how much of each is done and how long the rest will take.

    Attributes:
        is_new: whether the activity described last is another one than that before it.
    """

    def __init__(self) -> None:
        self.is_new = False
        self._activity = ""
        self._began = self._told = time.monotonic()
        self._from = 0.0

    def is_due(self, every_seconds: float) -> bool:
        """Whether it is time to show something: so long after the last time."""
        now = time.monotonic()
        if now - self._told < every_seconds:
            return False
        self._told = now
        return True

    def describe(self, activity: str, done: float, total: float | None) -> str:
        """`scoring  45 %  0:12 left`."""
        now = time.monotonic()
        self.is_new = activity != self._activity
        if self.is_new:
            self._activity, self._began, self._from = activity, now, done
        # Nothing done of something says no more than its name.
        if not total or not done:
            return activity
        text = f"{activity}  {100 * done / total:.0f} %"
        worked = done - self._from
        if worked < LEAST_SHARE * total:
            return text
        return f"{text}  {duration((now - self._began) * (total - done) / worked)} left"


@contextlib.contextmanager
def showing_activity(messages: Messages, first: str) -> Iterator[None]:
    """Show what the block is told to do.

    Args:
        messages: how much to say.
        first: what it does until it says so.
    """
    estimate = Estimate()
    if messages.live:
        console = terminal_console(stderr=True)
        # The console writes to a copy of standard error of its own.
        with contextlib.closing(console.file), console.status(first) as status:

            def draw(activity: str, done: float, total: float | None) -> None:
                text = estimate.describe(activity, done, total)
                # A new activity may be the last that is told of for a while.
                if estimate.is_due(REDRAW_SECONDS) or estimate.is_new:
                    status.update(text)

            with listening(draw):
                yield
        return
    if not messages.plain:
        yield
        return
    # The first line comes after as long as every other one.
    estimate.describe(first, 0, None)

    def write(activity: str, done: float, total: float | None) -> None:
        text = estimate.describe(activity, done, total)
        if estimate.is_due(PLAIN_PROGRESS_SECONDS):
            click.echo(f"lmctl: {text}", err=True)

    with listening(write):
        yield


def duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
