"""Progress of a command on standard error: one line that is redrawn, plain lines with --verbose, else nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from lmctl.cli.output import terminal_console
from lmctl.estimates import Estimate
from lmctl.progress import listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.cli.output import Messages

# Seconds between two drawings of the line, and between two plain lines.
REDRAW_SECONDS = 0.1
PLAIN_PROGRESS_SECONDS = 10.0


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
