"""What the commands show: results on standard output, messages and progress on standard error.

rich is imported only where something is drawn on a terminal.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
import msgspec

from lmctl import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from lmctl.corpus.prepared import CorpusRecord
    from lmctl.jobs.train import Plan, Trained
    from lmctl.query.metrics import Figures
    from lmctl.query.prediction import Answer
    from lmctl.query.scoring import SentenceScore
    from lmctl.store.bundle import Bundle

# How often plain progress says something.
PLAIN_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Messages:
    """How much to say on standard error.

    Attributes:
        live: draw progress, for somebody who watches.
        plain: say progress in lines.
        third_parties: let TensorFlow and jieba speak too.
    """

    live: bool
    plain: bool
    third_parties: bool


def configure_messages(quiet: bool, verbose: int) -> Messages:
    """Send lmctl's own warnings to standard error, and nobody else's unless asked twice."""
    handler = _StandardErrorHandler()
    handler.setFormatter(_MessageFormatter())
    root = logging.getLogger("lmctl")
    root.handlers = [handler]
    root.propagate = False
    root.setLevel(logging.ERROR if quiet else logging.WARNING)
    if verbose < 2:
        warnings.simplefilter("ignore")
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return Messages(live=terminal and not quiet, plain=bool(verbose) and not terminal, third_parties=verbose >= 2)


class _StandardErrorHandler(logging.Handler):
    """Writes to what is standard error now: while rich draws there, that puts lines above its drawing."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()


class _MessageFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"lmctl: {record.levelname.lower()}: {record.getMessage()}"


def echo_json(value: object) -> None:
    """One JSON object on a line; a number that is not finite is null."""
    click.echo(encode_json(value))


def encode_json(value: object) -> bytes:
    """A value as JSON; where a path in it is not UTF-8, printable."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(msgspec.to_builtins(value)))


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _printable(content) for name, content in value.items()}
    if isinstance(value, list):
        return [_printable(content) for content in value]
    return files.printable(value) if isinstance(value, str) else value


def _echo_rows(rows: dict[str, str]) -> None:
    """A name and a value a line: a TAB between them, or, for somebody who watches, aligned."""
    width = max(map(len, rows)) + 2 if sys.stdout.isatty() else 0
    for name, value in rows.items():
        click.echo(f"{name:<{width}}{value}" if width else f"{name}\t{value}")


def terminal_console(stderr: bool = False) -> Console:
    """A rich console on one of the standard streams."""
    from rich.console import Console

    if not stderr:
        return Console(highlight=False)
    # A descriptor of its own: drawing goes on while TensorFlow is loaded and descriptor 2 is silenced.
    file = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    return Console(file=file, highlight=False)


# Preparation


@contextlib.contextmanager
def reading_progress(messages: Messages, sources: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """Show how much has been read; yields what is to be told of the bytes read so far."""
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
        yield lambda read: progress.update(
            task, completed=read, description="counting" if read == total else "reading"
        )


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


def corpus_summary(record: CorpusRecord, as_json: bool) -> None:
    """Print what a prepared corpus holds."""
    identity = record.recipe.segmenter
    if as_json:
        splits = {
            name: msgspec.to_builtins(counts) | {"tokens": counts.tokens, "oov_rate": counts.oov_rate}
            for name, counts in (("train", record.train), ("valid", record.valid))
        }
        echo_json(
            {
                **splits,
                "vocabulary_size": record.vocabulary_size,
                "segmenter": identity,
                "sources": record.sources,
            }
        )
        return
    rows = {"vocabulary": str(record.vocabulary_size), "segmenter": describe_segmenter(identity)}
    for name, counts in (("train", record.train), ("valid", record.valid)):
        rows[name] = (
            f"{counts.sentences} lines\t{counts.words} words\t{counts.tokens} tokens\t"
            f"{100 * counts.oov_rate:.2f} % OOV"
        )
    _echo_rows(rows)


def describe_segmenter(identity: Any) -> str:
    """A segmenter in a few words: jieba (rjieba 0.2.2, user dictionary)."""
    details = " ".join(filter(None, (identity.engine, identity.engine_version)))
    if identity.dictionary_sha256:
        details += ", user dictionary"
    return f"{identity.name} ({details})" if details else str(identity.name)


# Training


class TrainingDisplay:
    """Shows a training run on standard error, as it goes: nothing, plain lines, or one live line."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._reading = _PlainReading(messages)
        self._last = time.monotonic()
        self._status: Any = None
        self._console = terminal_console(stderr=True) if messages.live else None
        self._epochs: list[Any] = []
        self._has_validation = False

    def __enter__(self) -> Self:
        if self._console is not None:
            self._status = self._console.status("starting")
            self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def on_progress(self, read: int) -> None:
        """Take note of bytes read by preparation."""
        if self._status is not None:
            self._status.update(f"reading  {read / 1e6:.1f} MB")
        else:
            self._reading(read)

    def on_event(self, event: Any) -> None:
        """Take note of a training event."""
        from lmctl.training.events import EpochDone, StepDone, TrainingStarted

        if isinstance(event, TrainingStarted):
            self._started(event)
        elif isinstance(event, EpochDone):
            self._epoch_done(event)
        elif isinstance(event, StepDone) and time.monotonic() - self._last >= self._interval():
            self._last = time.monotonic()
            self._say(_live_line(event))

    def finish(self, trained: Trained) -> None:
        """After publishing: the table of epochs, and how to query the model."""
        if self._console is None:
            return
        self._console.print(_epoch_table(self._epochs))
        self._console.print(f"lmctl predict -m {trained.model} TEXT", markup=False)

    def _interval(self) -> float:
        return 0.2 if self._status is not None else PLAIN_PROGRESS_SECONDS

    def _started(self, event: Any) -> None:
        self._has_validation = event.has_validation
        text = (
            f"preset {event.preset}: {event.parameters:,} parameters, vocabulary {event.vocabulary_size:,}, "
            f"{event.tokens_per_epoch:,} tokens an epoch, on {event.device}"
        )
        if self._console is not None:
            self._console.print(text)
            self._status.update("compiling")
        elif self._messages.plain:
            click.echo(f"lmctl: {text}", err=True)

    def _epoch_done(self, event: Any) -> None:
        self._epochs.append(event)
        if self._messages.plain:
            valid = "" if event.valid_perplexity is None else f"  valid {event.valid_perplexity:.2f}"
            self._say(
                f"epoch {event.epoch}  {event.tokens_per_second:,.0f} tokens/s  "
                f"train {event.train_perplexity:.2f}{valid}{'  best' if event.best else ''}"
            )

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
        elif self._messages.plain:
            click.echo(f"lmctl: {text}", err=True)


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


def trained(summary: Trained, as_json: bool) -> None:
    """Print the path of what was published, or the whole summary."""
    if as_json:
        echo_json(summary)
    else:
        click.echo(summary.published)


def plan(planned: Plan, as_json: bool) -> None:
    """Print the resolved configuration and what would be done."""
    from lmctl.config import to_yaml

    figures = {
        "model": str(planned.model),
        "preset": planned.config.preset,
        "parameters": planned.parameters,
        "vocabulary_size": planned.sizes.vocabulary_size,
        "training_tokens": planned.training_tokens,
        "valid_tokens": planned.valid_tokens,
    }
    if as_json:
        echo_json(figures | {"config": planned.config})
        return
    click.echo(to_yaml(planned.config), nl=False)
    for name, value in figures.items():
        click.echo(f"# {name.replace('_', ' ')}: {value}")


# Prediction


class PredictionPrinter:
    """Prints answers as they come, each batch flushed, so that a waiting reader has them.

    Args:
        format: table, plain, words, tsv or jsonl; None: a table on a terminal, otherwise plain.
    """

    def __init__(self, format: str | None) -> None:
        self._format = format or ("table" if sys.stdout.isatty() else "plain")
        self._line = 0

    def print(self, answers: list[Answer]) -> None:
        """Print a batch."""
        if self._format == "table":
            self._print_tables(answers)
            return
        records = []
        for answer in answers:
            self._line += 1
            records.append(self._record(answer))
        # One write for all that is known, so that a pipe is woken up once.
        sys.stdout.write("".join(records))
        sys.stdout.flush()

    def _record(self, answer: Answer) -> str:
        if self._format == "jsonl":
            return msgspec.json.encode({"line": self._line, **asdict(answer)}).decode() + "\n"
        if self._format == "tsv":
            return "".join(
                f"{self._line}\t{rank}\t{found.word}\t{found.logprob:.6f}\n"
                for rank, found in enumerate(answer.predictions, start=1)
            )
        if self._format == "words":
            return " ".join(found.word for found in answer.predictions) + "\n"
        return " ".join(f"{found.word} {found.prob:.6g}" for found in answer.predictions) + "\n"

    def _print_tables(self, answers: list[Answer]) -> None:
        from rich.table import Table
        from rich.text import Text

        console = terminal_console()
        for answer in answers:
            self._line += 1
            table = Table(
                title=Text(answer.context or "(start of a sentence)"),
                title_justify="left",
                box=None,
                pad_edge=False,
            )
            table.add_column("word", min_width=12)
            table.add_column("probability", justify="right")
            table.add_column("")
            for found in answer.predictions:
                table.add_row(Text(found.word), f"{found.prob:.4f}", "━" * round(24 * found.prob))
            console.print(table)
            if answer.oov:
                console.print(Text(f"not in the vocabulary: {' '.join(answer.oov)}", style="dim"))
            console.print()


# Evaluation


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


def write_figures(path: Path, model: Path, results: Sequence[tuple[str, Figures]]) -> None:
    """Write the figures of every text as one JSON document."""
    document = {
        "model": str(model),
        "texts": [{"file": name, **msgspec.to_builtins(figures)} for name, figures in results],
    }
    files.write_bytes(path, msgspec.json.format(encode_json(document)) + b"\n")


# Models


def model_info(bundle: Bundle, as_json: bool) -> None:
    """Print what a model is and how it came about."""
    record, metrics = bundle.record, bundle.metrics()
    if as_json:
        echo_json({"folder": str(bundle.folder), **msgspec.to_builtins(record), "metrics": metrics})
        return
    sizes, training, corpus = record.sizes, record.training, record.corpus
    valid = metrics.get("valid")
    rows = {
        "folder": str(bundle.folder),
        "family": f"{record.family}, {sizes.layers} x {sizes.hidden_units} units, embedding {sizes.embedding_dim}"
        + (", tied" if sizes.tied else ""),
        "parameters": f"{training.parameters:,}",
        "vocabulary": f"{sizes.vocabulary_size:,} words, <unk> and </s> included",
        "segmenter": describe_segmenter(record.recipe.segmenter),
        "text": _describe_text(record.recipe),
        "corpus": f"{corpus.train.tokens:,} tokens in {corpus.train.sentences:,} lines; "
        f"{100 * corpus.train.oov_rate:.2f} % OOV",
        "sources": ", ".join(source.name for source in corpus.sources),
        "training": f"preset {training.preset}, best epoch {training.best_epoch} of {training.epochs}, "
        f"{training.steps:,} steps, seed {training.seed}, {training.device}",
        "train": f"perplexity {_number(metrics['train']['perplexity'])} (dropout on)",
        "valid": "no validation text"
        if valid is None
        else f"perplexity {_number(valid['perplexity'])} {'in' if valid['includes_oov'] else 'ex'}cluding OOVs "
        f"(state {valid['state']}, "
        f"vocabulary {valid['vocabulary_size']:,}, {100 * valid['oov_rate']:.2f} % OOV)",
        "lmctl": f"{record.lmctl_version}, bundle format {record.format_version}",
    }
    _echo_rows(rows)


def _describe_text(recipe: Any) -> str:
    parts = [f"normalized {recipe.normalize}", f"blank lines {recipe.blank_lines}"]
    if recipe.lowercase:
        parts.append("lower-cased")
    if recipe.stop_words:
        parts.append(f"{recipe.stop_words} stop words removed")
    return ", ".join(parts)


def _number(value: float | None) -> str:
    return "unknown" if value is None or not math.isfinite(value) else f"{value:.2f}"
