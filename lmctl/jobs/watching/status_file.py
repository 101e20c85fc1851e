"""The status of a model's training as metrics in Prometheus' text format, for the node exporter.

docs/watching.md lists the metrics. The file is replaced by a rename. It has no timestamps of samples, because the
node exporter's textfile collector refuses them.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.errors import MissingExtraError
from lmctl.jobs.watching.events import LockTaken, Prepared, RunEnded, RunStarted
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import is_locked
from lmctl.store.runs import RunLog
from lmctl.training.events import EpochDone, StepDone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lmctl.jobs.watching.events import RunEvent
    from lmctl.store.runs import Outcome

logger = logging.getLogger(__name__)

# During training, the file is written at most once in this time.
PROGRESS_SECONDS = 15.0

# Metric -> help text. All are gauges with the label `model`; OUTCOME has the label `outcome`, too. The help texts
# never change: if two files give one metric different help texts, the node exporter drops the series.
METRICS = {
    "lmctl_train_running": "Whether a run is in progress.",
    "lmctl_train_start_timestamp_seconds": "When the run in progress, or the last one, started.",
    "lmctl_train_end_timestamp_seconds": "When the last run that ended did.",
    "lmctl_train_success_timestamp_seconds": "When a run last ended with exit code 0: published, or unchanged.",
    "lmctl_train_published_timestamp_seconds": "When the current generation was published.",
    "lmctl_train_duration_seconds": "How long the last run that ended took.",
    "lmctl_train_exit_code": "Exit code of the last run that ended.",
    "lmctl_train_outcome": "1 for how the last run that ended did, 0 for every other way.",
    "lmctl_train_generation": "Number of the current generation.",
    "lmctl_train_steps": "Steps done.",
    "lmctl_train_tokens": "Tokens trained on, those of every epoch counted.",
    "lmctl_train_epochs": "Epochs, the one in progress included.",
    "lmctl_train_tokens_per_second": "Training speed; while a run trains.",
    "lmctl_train_train_perplexity": "Training perplexity of the epoch, dropout on.",
    "lmctl_train_valid_perplexity": "Validation perplexity of the last epoch, or of the published one.",
    "lmctl_train_train_masked_cross_entropy_nats": "Nats of a hidden word in the epoch, dropout on.",
    "lmctl_train_valid_masked_cross_entropy_nats": "Nats of a hidden validation word in the last epoch.",
    "lmctl_train_valid_pseudo_perplexity": "Pseudo-perplexity of the published model that fills gaps.",
    "lmctl_train_vocabulary_size": "Words, <unk> and </s> included.",
    "lmctl_train_valid_oov_ratio": "Share of the validation words that are not in the vocabulary.",
}
OUTCOME = "lmctl_train_outcome"
OUTCOMES: tuple[Outcome, ...] = ("published", "unchanged", "rejected", "interrupted", "failed", "killed")
# Figure of runs.jsonl -> its metric.
METRIC_OF_FIGURE = {
    "steps": "lmctl_train_steps",
    "tokens": "lmctl_train_tokens",
    "epochs": "lmctl_train_epochs",
    "train_perplexity": "lmctl_train_train_perplexity",
    "valid_perplexity": "lmctl_train_valid_perplexity",
    "train_masked_cross_entropy_nats": "lmctl_train_train_masked_cross_entropy_nats",
    "valid_pseudo_perplexity": "lmctl_train_valid_pseudo_perplexity",
    "vocabulary_size": "lmctl_train_vocabulary_size",
    "valid_oov_rate": "lmctl_train_valid_oov_ratio",
}


@dataclass(frozen=True, slots=True)
class _Status:
    """The content of the file.

    Attributes:
        values: values by metric.
        figures: figures of the current generation, by metric.
        outcome: outcome of the last run that ended; None if none has ended.
    """

    values: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None


class StatusFile:
    """Writes the status file at the start of a run, at intervals during it, and at its end.

    A run that never held the model's lock writes its end only if no other run is in progress. Values of earlier
    runs come from the model's runs.jsonl, so the time of the last success stays in the file after a failure. If
    the file cannot be written, one warning says so, and the run goes on.

    Args:
        path: path of the file; the node exporter reads `*.prom`.
        clock: a monotonic clock, in seconds.

    Raises:
        MissingExtraError: prometheus_client is not installed.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        if importlib.util.find_spec("prometheus_client") is None:
            raise MissingExtraError(
                "a status file needs prometheus_client, which is not installed: pip install 'lmctl[train]'"
            )
        files.check_writable(path)
        self._path = path
        self._clock = clock
        self._written = clock()
        self._model: ModelFolder | None = None
        self._start = time.time()
        self._holds_lock = False
        self._before = _Status()
        self._figures: dict[str, float] = {}
        self._warned = False

    def __call__(self, event: RunEvent) -> None:
        """Update the status by an event, and write the file if it is due."""
        if isinstance(event, RunStarted):
            self._model = ModelFolder(event.model)
        elif isinstance(event, LockTaken):
            self._holds_lock = True
            self._before = _read_runs(self._model) if self._model is not None else _Status()
            self._write(self._in_progress())
        elif isinstance(event, RunEnded):
            if self._holds_lock or (event.outcome != "locked" and not self._another_runs()):
                self._write(self._ended(event))
        else:
            self._take_note(event)
            if self._clock() - self._written >= PROGRESS_SECONDS:
                self._write(self._in_progress())

    def _another_runs(self) -> bool:
        return self._model is not None and is_locked(self._model.folder)

    def _take_note(self, event: RunEvent) -> None:
        found: dict[str, float | None] = {}
        if isinstance(event, Prepared):
            found = {
                "lmctl_train_vocabulary_size": event.vocabulary_size,
                "lmctl_train_valid_oov_ratio": event.valid_oov_rate,
            }
        elif isinstance(event, StepDone | EpochDone):
            found = {
                "lmctl_train_steps": event.step,
                "lmctl_train_tokens": event.tokens,
                "lmctl_train_epochs": event.epoch,
                "lmctl_train_tokens_per_second": event.tokens_per_second,
                "lmctl_train_train_perplexity": event.train_perplexity,
                "lmctl_train_valid_perplexity": event.valid_perplexity,
                "lmctl_train_train_masked_cross_entropy_nats": event.train_masked_cross_entropy_nats,
                "lmctl_train_valid_masked_cross_entropy_nats": event.valid_masked_cross_entropy_nats,
            }
        self._figures |= {name: value for name, value in found.items() if value is not None}

    def _in_progress(self) -> _Status:
        """The figures of this run, with the times and the outcome of earlier runs."""
        values = {**self._before.values, **self._figures, "lmctl_train_running": 1.0}
        return _Status(values, outcome=self._before.outcome)

    def _ended(self, event: RunEnded) -> _Status:
        """The end of this run, with the figures of the current generation."""
        before = _Status() if self._model is None else _read_runs(self._model)
        end = time.time()
        values = {**before.values, **before.figures, **_figures(event.figures)}
        values |= {
            "lmctl_train_running": 0.0,
            "lmctl_train_end_timestamp_seconds": end,
            "lmctl_train_duration_seconds": event.seconds,
            "lmctl_train_exit_code": event.exit_code,
        }
        if event.exit_code == 0:
            values["lmctl_train_success_timestamp_seconds"] = end
        return _Status(values, outcome=event.outcome)

    def _write(self, status: _Status) -> None:
        model = "" if self._model is None else files.printable(self._model.folder)
        values = {**status.values, "lmctl_train_start_timestamp_seconds": self._start}
        self._written = self._clock()
        try:
            files.write_bytes(self._path, render(model, values, status.outcome))
        except OSError as error:
            if not self._warned:
                logger.warning("%s: could not be written: %s; the run goes on", self._path, error.strerror)
            self._warned = True


def render(model: str, values: Mapping[str, float], outcome: Outcome | None) -> bytes:
    """Metrics in the text exposition format.

    Args:
        model: value of the label `model` of all metrics.
        values: values by metric; a metric without a value is left out.
        outcome: outcome of the last run that ended; None if none has ended.
    """
    # Deferred: most runs write no status file.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    for name, meaning in METRICS.items():
        if name == OUTCOME and outcome is not None:
            gauge = Gauge(name, meaning, ["model", "outcome"], registry=registry)
            for each in OUTCOMES:
                gauge.labels(model, each).set(each == outcome)
        elif name in values:
            Gauge(name, meaning, ["model"], registry=registry).labels(model).set(values[name])
    return generate_latest(registry)


def _read_runs(model: ModelFolder) -> _Status:
    """Values from a model's runs.jsonl: its last run, its last success and its current generation."""
    log, values, figures = RunLog(model), dict[str, float](), dict[str, float]()
    last = next(log.newest_first(), None)
    if last is not None and last.exit_code is not None:
        values["lmctl_train_exit_code"] = last.exit_code
    if last is not None and last.end is not None:
        values["lmctl_train_end_timestamp_seconds"] = _unix(last.end)
        values["lmctl_train_duration_seconds"] = _unix(last.end) - _unix(last.start)
    success = next((run.end for run in log.newest_first() if run.exit_code == 0), None)
    if success is not None:
        values["lmctl_train_success_timestamp_seconds"] = _unix(success)
    current = model.sound_current()
    if current is not None:
        values["lmctl_train_generation"] = int(current.name)
        made = (run for run in log.newest_first() if (run.outcome, run.generation) == ("published", current.name))
        published = next(made, None)
        if published is not None:
            figures = _figures(published.figures)
        if published is not None and published.end is not None:
            values["lmctl_train_published_timestamp_seconds"] = _unix(published.end)
    return _Status(values, figures, None if last is None else last.outcome)


def _figures(figures: Mapping[str, Any]) -> dict[str, float]:
    """The figures of runs.jsonl that are metrics, by metric."""
    found = ((metric, figures.get(figure)) for figure, metric in METRIC_OF_FIGURE.items())
    numbers = {metric: value for metric, value in found if isinstance(value, int | float)}
    # Another program may have written the line: an integer can be beyond the range of float.
    return {
        name: float(value) for name, value in numbers.items() if isinstance(value, float) or abs(value) < 2**64
    }


def _unix(time_in_utc: str) -> float:
    try:
        return datetime.fromisoformat(time_in_utc).timestamp()
    except ValueError:  # a day that its month does not have
        return math.nan
