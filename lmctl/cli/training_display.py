"""The display of `lmctl train` on standard error, during the run and at its end."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Self

import click

from lmctl import families
from lmctl.cli import tables
from lmctl.cli.activity import PLAIN_PROGRESS_SECONDS
from lmctl.cli.output import terminal_console
from lmctl.cli.progress import PlainReading
from lmctl.cli.reports import cache_line
from lmctl.estimates import Estimate
from lmctl.jobs.watching.live_line import comparable, figures_of, live_line
from lmctl.progress import listening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.status import Status

    from lmctl.cli.output import Messages
    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.watching.events import CacheTuned, Compared, RunEvent
    from lmctl.training.events import Drift, EpochDone, TrainingStarted


class TrainingDisplay:
    """Shows the progress of a training run: as one line that is redrawn, as plain lines, or not at all."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._reading = PlainReading(messages)
        self._estimate = Estimate()
        self._listening = contextlib.ExitStack()
        self._last = time.monotonic()
        self._status: Status | None = None
        self._console = terminal_console(stderr=True) if messages.live else None
        self._epochs: list[EpochDone] = []
        self._compared: Compared | None = None
        self._cache: CacheTuned | None = None
        self._caption = ""

    def __enter__(self) -> Self:
        if self._console is not None:
            self._status = self._console.status("starting")
            self._status.start()
        if self._console is not None or self._messages.plain:
            self._listening.enter_context(listening(self._activity))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._listening.close()
        if self._status is not None:
            self._status.stop()
        if kind is not None:
            self._close()

    def on_event(self, event: RunEvent) -> None:
        """Show an event of the run, or keep it for the end."""
        from lmctl.jobs.watching.events import CacheTuned, Compared, TextRead
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
                self._tell(
                    [", ".join(f"{name} {perplexity:.2f}" for _, name, perplexity in _compared_models(event))]
                )
        elif isinstance(event, CacheTuned):
            self._cache = event
            if self._messages.plain:
                self._tell([cache_line(event)])
        elif isinstance(event, StepDone) and time.monotonic() - self._last >= self._interval():
            self._last = time.monotonic()
            self._say(live_line(event))

    def finish(self, trained: Trained) -> None:
        """Show the table of epochs, the comparison and the command that queries the model."""
        self._show(trained)
        self._close()

    def _show(self, trained: Trained) -> None:
        if trained.outcome == "unchanged":
            text = f"texts and settings are unchanged since the last run: {trained.published} stays current"
            if self._console is not None:
                self._console.print(text, markup=False)
            elif self._messages.plain:
                click.echo(f"lmctl: {text}", err=True)
            return
        if self._console is None:
            return
        if self._epochs:
            _show_epochs(self._console, self._epochs)
        if self._compared is not None:
            _show_comparison(self._console, self._compared, trained.family)
        if self._caption:
            self._console.print(self._caption)
        if self._cache is not None:
            self._console.print(cache_line(self._cache), markup=False)
        query = "predict" if families.find(trained.family).predicts_next_word else "fill"
        self._console.print(f"query it: lmctl {query} -m {shlex.quote(trained.model)} TEXT", markup=False)

    def _close(self) -> None:
        # The console writes to its own copy of standard error.
        if self._console is not None:
            self._console.file.close()

    def _activity(self, activity: str, done: float, total: float | None) -> None:
        """Show an activity before or after training."""
        text = self._estimate.describe(activity, done, total)
        # On a terminal a new activity is drawn at once, because the next message may come much later.
        if self._estimate.is_due(self._interval()) or (self._status is not None and self._estimate.is_new):
            self._say(text)

    def _interval(self) -> float:
        return 0.2 if self._status is not None else PLAIN_PROGRESS_SECONDS

    def _read(self, read: int) -> None:
        if self._status is not None:
            self._status.update(f"reading and cutting words  {read / 1e6:.1f} MB")
        else:
            self._reading(read)

    def _started(self, event: TrainingStarted) -> None:
        if event.validation is not None:
            terms = event.validation
            figure = "valid: nats of a hidden word" if event.fills_gaps else "valid perplexity"
            state = "" if event.fills_gaps else f"state {terms.state}, "
            self._caption = (
                f"{figure}: vocabulary {event.vocabulary_size:,}, {state}"
                f"{100 * terms.oov_rate:.2f} % OOV, OOVs {'included' if terms.includes_oov else 'left out'}"
            )
        text = (
            f"preset {event.preset}: {event.parameters:,} parameters, vocabulary {event.vocabulary_size:,}, "
            f"{event.tokens_per_epoch:,} tokens an epoch, on {event.device}"
        )
        if self._console is not None:
            self._tell([text])
            self._say("compiling")
        else:
            self._tell([text, *filter(None, [self._caption])])

    def _epoch_done(self, event: EpochDone) -> None:
        self._epochs.append(event)
        if self._messages.plain:
            self._say(
                f"epoch {event.epoch}  {event.tokens_per_second:,.0f} tokens/s  "
                f"{figures_of(event, digits=2)}{'  best' if event.best else ''}"
            )

    def _tell(self, lines: Sequence[str]) -> None:
        """Write lines that stay on the screen."""
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


# The models that are compared: n-grams, the network, and their mixture.
COUNTED, TRAINED, MIXED = range(3)


def _compared_models(compared: Compared) -> list[tuple[int, str, float]]:
    """Return the models that were compared, each with its name and its perplexity."""
    network, ngram = compared.weights
    beside = [
        (COUNTED, compared.baseline, compared.ngram_perplexity),
        (TRAINED, "network", compared.network_perplexity),
    ]
    # If one model has all of the weight, the mixture is that model.
    if f"{network:.2f}" not in ("0.00", "1.00"):
        name = f"mixture, {network:.2f} network + {ngram:.2f} n-grams"
        beside.append((MIXED, name, compared.mixture_perplexity))
    return beside


def _show_comparison(console: Console, compared: Compared, family: str | None) -> None:
    """Show the validation perplexity of each model, and which one is published."""
    chosen = MIXED if compared.mixture_is_chosen else COUNTED if family == families.baseline().name else TRAINED
    columns = [tables.Column("valid\nperplexity"), tables.Column("", right=False)]
    rows = [
        (name, (f"{perplexity:.2f}", "published" if kind == chosen else ""))
        for kind, name, perplexity in _compared_models(compared)
    ]
    tables.show(console, "model", columns, rows)


def _drift_lines(drift: Drift) -> list[str]:
    """Return lines about the words and the text that are new since the model that training starts from."""
    named = [f"{word} {count:,}" for word, count in drift.new_words[:8]]
    new_to_it = f"since the model to start from: {100 * drift.oov_rate:.2f} % of the words are new to it"
    vectors = (
        f"word vectors: {drift.rows_kept:,} kept, {drift.rows_moved:,} in another cluster, "
        f"{drift.rows_new:,} new, {drift.rows_gone:,} gone"
    )
    lines = [f"{new_to_it} ({', '.join(named)})" if named else new_to_it, vectors]
    if drift.rate_factor < 1:
        lines.append(
            f"{100 * drift.new_text:.2g} % of the text is new to it, and an epoch has "
            f"{100 * drift.rehearsed_text:.2g} % of the rest; the learning rate is multiplied by "
            f"{drift.rate_factor:.2g}"
        )
    if drift.valid_perplexity is not None and drift.valid_oov_rate is not None:
        lines.append(
            f"its perplexity on the new validation text: {drift.valid_perplexity:.2f} "
            f"(state {drift.valid_state}, {100 * drift.valid_oov_rate:.2f} % OOV under its vocabulary)"
        )
    return lines


def _show_epochs(console: Console, epochs: list[EpochDone]) -> None:
    """Show a row for each epoch; the best by its validation figure, or else by its training figure, is marked."""
    fills_gaps = any(epoch.train_masked_cross_entropy_nats is not None for epoch in epochs)
    unit, digits = ("masked nats", 4) if fills_gaps else ("perplexity", 2)
    figures = {
        epoch.epoch: (epoch.train_masked_cross_entropy_nats, epoch.valid_masked_cross_entropy_nats)
        if fills_gaps
        else (epoch.train_perplexity, epoch.valid_perplexity)
        for epoch in epochs
    }
    validated = any(valid is not None for _, valid in figures.values())
    columns = [
        tables.Column("tokens/s", optional=True),
        tables.Column("learning\nrate", optional=True),
        tables.Column(f"train\n{unit}"),
        *([tables.Column(f"valid\n{unit}")] if validated else []),
        tables.Column("", right=False),
    ]
    best = min(epochs, key=lambda epoch: comparable(figures[epoch.epoch][validated]))
    published = [epoch for epoch in epochs if epoch.best][-1:] or [best]
    rows = []
    for epoch in epochs:
        marks = ["best"] if epoch is best else []
        # Without a validation text, the weights of the last epoch are published.
        marks += ["published"] if epoch is published[0] and epoch is not best else []
        cells = [
            f"{epoch.tokens_per_second:,.0f}",
            f"{epoch.learning_rate:.4g}",
            *(f"{comparable(value):.{digits}f}" for value in figures[epoch.epoch][: 1 + validated]),
            ", ".join(marks),
        ]
        rows.append((str(epoch.epoch), cells))
    tables.show(console, "epoch", columns, rows)
