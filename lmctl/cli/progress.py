"""Progress on standard error: drawn on a terminal, plain lines on request, otherwise nothing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from lmctl.cli.output import terminal_console
from lmctl.cli.reports import cache_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.cli.output import Messages
    from lmctl.jobs.publishing import Trained
    from lmctl.query.scoring import SentenceScore

# How often plain progress says something.
PLAIN_PROGRESS_SECONDS = 10.0


@contextlib.contextmanager
def reading_progress(
    messages: Messages, sources: Sequence[str], after: str = "counting"
) -> Iterator[Callable[[int], None]]:
    """Show how much has been read, then what comes after; yields what is to be told of the bytes read so far."""
    if not messages.live:
        yield _PlainReading(messages)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=terminal_console(stderr=True), transient=True) as progress:
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
    with Progress(*columns, console=terminal_console(stderr=True), transient=True) as progress:
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


class _PlainReading:
    def __init__(self, messages: Messages) -> None:
        self._plain = messages.plain
        self._last = time.monotonic()

    def __call__(self, read: int) -> None:
        if self._plain and time.monotonic() - self._last >= PLAIN_PROGRESS_SECONDS:
            self._last = time.monotonic()
            click.echo(f"lmctl: read {read / 1e6:.0f} MB", err=True)


def _known_size(sources: Sequence[str]) -> int | None:
    """Bytes to be read, where no source is compressed or a stream."""
    paths = [Path(source) for source in sources]
    if not all(path.is_file() and path.suffix.lower() not in (".gz", ".bz2", ".xz") for path in paths):
        return None
    return sum(path.stat().st_size for path in paths)


class TrainingDisplay:
    """Shows a training run on standard error, as it goes: nothing, plain lines, or one live line."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._reading = _PlainReading(messages)
        self._last = time.monotonic()
        self._status: Any = None
        self._console = terminal_console(stderr=True) if messages.live else None
        self._epochs: list[Any] = []
        self._compared: Any = None
        self._cache: Any = None
        self._caption = ""

    def __enter__(self) -> Self:
        if self._console is not None:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
        if kind is not None:
            self._close()

    def on_event(self, event: Any) -> None:
        """Take note of an event of the run."""
        from lmctl.jobs.events import CacheTuned, Compared, TextRead
        from lmctl.training.events import Drift, EpochDone, StepDone, TrainingStarted

        if isinstance(event, TextRead):
            self._read(event.bytes)
        elif isinstance(event, TrainingStarted):
            self._started(event)
        elif isinstance(event, EpochDone):
            self._epoch_done(event)
        elif isinstance(event, Drift):
            self._tell(_drift_lines(event))
        elif isinstance(event, Compared):
            self._compared = event
            if self._messages.plain:
                self._tell([", ".join(f"{name} {perplexity:.2f}" for name, perplexity in _beside(event))])
        elif isinstance(event, CacheTuned):
            self._cache = event
            if self._messages.plain:
                self._tell([cache_line(event)])
        elif isinstance(event, StepDone) and time.monotonic() - self._last >= self._interval():
            self._last = time.monotonic()
            self._say(_live_line(event))

    def finish(self, trained: Trained) -> None:
        """After publishing: the table of epochs, and how to query the model."""
        self._show(trained)
        self._close()

    def _show(self, trained: Trained) -> None:
        if trained.outcome == "unchanged":
            text = f"unchanged since the last run: {trained.published} stays current"
            if self._console is not None:
                self._console.print(text, markup=False)
            elif self._messages.plain:
                click.echo(f"lmctl: {text}", err=True)
            return
        if self._console is None:
            return
        if self._epochs:
            self._console.print(_epoch_table(self._epochs))
        if self._compared is not None:
            self._console.print(_comparison_table(self._compared))
        if self._caption:
            self._console.print(self._caption)
        if self._cache is not None:
            self._console.print(cache_line(self._cache), markup=False)
        self._console.print(f"lmctl predict -m {trained.model} TEXT", markup=False)

    def _close(self) -> None:
        # The console writes to a copy of standard error of its own.
        if self._console is not None:
            self._console.file.close()

    def _interval(self) -> float:
        return 0.2 if self._status is not None else PLAIN_PROGRESS_SECONDS

    def _read(self, read: int) -> None:
        if self._status is not None:
            self._status.update(f"reading  {read / 1e6:.1f} MB")
        else:
            self._reading(read)

    def _started(self, event: Any) -> None:
        if event.validation is not None:
            terms = event.validation
            self._caption = (
                f"valid: vocabulary {event.vocabulary_size:,}, state {terms.state}, "
                f"{100 * terms.oov_rate:.2f} % OOV, OOVs {'included' if terms.includes_oov else 'left out'}"
            )
        text = (
            f"preset {event.preset}: {event.parameters:,} parameters, vocabulary {event.vocabulary_size:,}, "
            f"{event.tokens_per_epoch:,} tokens an epoch, on {event.device}"
        )
        if self._console is not None:
            self._tell([text])
            self._status.update("compiling")
        else:
            self._tell([text, *filter(None, [self._caption])])

    def _epoch_done(self, event: Any) -> None:
        self._epochs.append(event)
        if self._messages.plain:
            valid = "" if event.valid_perplexity is None else f"  valid {event.valid_perplexity:.2f}"
            self._say(
                f"epoch {event.epoch}  {event.tokens_per_second:,.0f} tokens/s  "
                f"train {event.train_perplexity:.2f}{valid}{'  best' if event.best else ''}"
            )

    def _tell(self, lines: Sequence[str]) -> None:
        """Lines that stay."""
        for line in lines:
            if self._console is not None:
                self._console.print(line, markup=False)
            elif self._messages.plain:
                click.echo(f"lmctl: {line}", err=True)

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
        elif self._messages.plain:
            click.echo(f"lmctl: {text}", err=True)


def _beside(compared: Any) -> list[tuple[str, float]]:
    """Who was compared, and the perplexity of each."""
    network, ngram = compared.weights
    return [
        (f"{compared.ngram_order}-grams", compared.ngram_perplexity),
        ("network", compared.network_perplexity),
        (f"mixture, {network:.2f} network + {ngram:.2f} n-grams", compared.mixture_perplexity),
    ]


def _comparison_table(compared: Any) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading, side in (("model", "left"), ("valid perplexity", "right"), ("", "left")):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    chosen = 2 if compared.mixture_is_chosen else 1
    for row, (name, perplexity) in enumerate(_beside(compared)):
        table.add_row(name, f"{perplexity:.2f}", "chosen" if row == chosen else "")
    return table


def _drift_lines(drift: Any) -> list[str]:
    """What has changed since the model that training starts from."""
    named = [f"{word} {count:,}" for word, count in drift.new_words[:8]]
    new_to_it = f"since the model to start from: {100 * drift.oov_rate:.2f} % of the words are new to it"
    vectors = (
        f"word vectors: {drift.rows_kept:,} kept, {drift.rows_moved:,} in another cluster, "
        f"{drift.rows_new:,} new, {drift.rows_gone:,} gone"
    )
    lines = [f"{new_to_it} ({', '.join(named)})" if named else new_to_it, vectors]
    if drift.valid_perplexity is not None:
        lines.append(
            f"its perplexity on the new validation text: {drift.valid_perplexity:.2f} "
            f"(state {drift.valid_state}, {100 * drift.valid_oov_rate:.2f} % OOV under its vocabulary)"
        )
    return lines


def _live_line(event: Any) -> str:
    valid = "" if event.valid_perplexity is None else f"  valid {event.valid_perplexity:.1f}"
    return (
        f"epoch {event.epoch}/{event.epochs}  {100 * event.epoch_tokens / event.tokens_per_epoch:3.0f} %  "
        f"{event.tokens_per_second:,.0f} tokens/s  train {event.train_perplexity:.1f}{valid}  "
        f"{_duration(event.seconds_left)} left"
    )


def _duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _epoch_table(epochs: list[Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("epoch", "tokens/s", "rate", "train perplexity", "valid perplexity", ""):
        table.add_column(heading, justify="right")
    for epoch in epochs:
        table.add_row(
            str(epoch.epoch),
            f"{epoch.tokens_per_second:,.0f}",
            f"{epoch.learning_rate:.4g}",
            f"{epoch.train_perplexity:.2f}",
            "" if epoch.valid_perplexity is None else f"{epoch.valid_perplexity:.2f}",
            "best" if epoch.best and epoch is _last_best(epochs) else "",
        )
    return table


def _last_best(epochs: list[Any]) -> Any:
    return [epoch for epoch in epochs if epoch.best][-1]


@contextlib.contextmanager
def scoring_progress(messages: Messages) -> Iterator[Callable[[SentenceScore], None]]:
    """Show how many tokens have been scored; yields what is to be told of each sentence."""
    if not messages.live:
        yield lambda _score: None
        return
    console = terminal_console(stderr=True)
    tokens, shown = 0, time.monotonic()
    with console.status("scoring") as status:

        def on_sentence(score: SentenceScore) -> None:
            nonlocal tokens, shown
            tokens += len(score.token_ids)
            if time.monotonic() - shown >= 0.2:
                shown = time.monotonic()
                status.update(f"scoring  {tokens:,} tokens")

        yield on_sentence
