"""Progress of reading and writing on standard error: drawn on a terminal, plain lines on request, else nothing."""

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
    """Show how much has been read, then what comes after; yields what is to be told of the bytes read so far."""
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
        # What has been read is still to be cut into words and counted.
        yield lambda read: progress.update(task, completed=read, description=after if read == total else "reading")


@contextlib.contextmanager
def writing_progress(messages: Messages, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much has been written; yields what is to be told of how many units are written, of how many.

    Args:
        messages: how much to say.
        unit: what is written, in the plural.
    """
    if not messages.live:
        yield _PlainWriting(messages, unit)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=terminal_console(stderr=True), transient=True, redirect_stdout=False
    ) as progress:
        task = progress.add_task("writing", total=None)
        yield lambda written, total: progress.update(task, completed=written, total=total)


class _PlainWriting:
    def __init__(self, messages: Messages, unit: str) -> None:
        self._plain, self._unit = messages.plain, unit
        self._last = time.monotonic()

    def __call__(self, written: int, total: int) -> None:
        if self._plain and time.monotonic() - self._last >= PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            click.echo(f"lmctl: wrote {written:,} of {total:,} {self._unit}", err=True)


class PlainReading:
    """Says now and then how much has been read, if plain lines are wanted."""

    def __init__(self, messages: Messages) -> None:
        self._plain = messages.plain
        self._last = time.monotonic()

    def __call__(self, read: int) -> None:
        """So many bytes have been read."""
        if self._plain and time.monotonic() - self._last >= PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            click.echo(f"lmctl: read {read / 1e6:.0f} MB", err=True)


def _known_size(sources: Sequence[str]) -> int | None:
    """Bytes to be read, if no source is compressed or a stream."""
    from lmctl.text.sources import size_of_text

    sizes = [size_of_text(source) for source in sources]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
