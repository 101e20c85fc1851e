"""Progress of reading on standard error: a bar on a terminal, plain lines with --verbose, else nothing."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from lmctl.cli.activity import PLAIN_PROGRESS_SECONDS
from lmctl.cli.output import terminal_console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.cli.output import Messages


@contextlib.contextmanager
def reading_progress(
    messages: Messages, sources: Sequence[str], after: str = "counting"
) -> Iterator[Callable[[int], None]]:
    """Show how much of the sources has been read, and then the activity `after`.

    Yields:
        A function to be called with the number of bytes that have been read so far.
    """
    if not messages.live:
        yield PlainReading(messages)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(
        *columns, console=terminal_console(stderr=True), transient=True, redirect_stdout=False
    ) as progress:
        total = _known_size(sources)
        task = progress.add_task("reading", total=total)
        # After the last byte has been read, the rest of the text is still being worked on.
        yield lambda read: progress.update(task, completed=read, description=after if read == total else "reading")


class PlainReading:
    """Writes a line from time to time with the number of megabytes read, if progress is written as lines."""

    def __init__(self, messages: Messages) -> None:
        self._plain = messages.plain
        self._last = time.monotonic()

    def __call__(self, read: int) -> None:
        """Take the number of bytes that have been read so far."""
        if self._plain and time.monotonic() - self._last >= PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            click.echo(f"lmctl: read {read / 1e6:.0f} MB", err=True)


def _known_size(sources: Sequence[str]) -> int | None:
    """Return the number of bytes of all sources; None if a source is compressed or a stream."""
    from lmctl.text.sources import size_of_text

    sizes = [size_of_text(source) for source in sources]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
