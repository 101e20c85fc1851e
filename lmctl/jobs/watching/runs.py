"""Write the line of a run to runs.jsonl, and send the first and the last event of the run."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import files
from lmctl.errors import InterruptedRunError, LmctlError, LockedError, QualityGateError, StorageError
from lmctl.jobs.watching.events import GateDone, LockTaken, RunEnded, RunStarted
from lmctl.store.layout import RUNS
from lmctl.store.published import is_model
from lmctl.store.runs import Outcome, Run, RunLog, now
from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmctl.config import Settings
    from lmctl.jobs.watching.events import OnRunEvent, RunEvent
    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)

EXIT_BUG, EXIT_BROKEN_PIPE = 70, 141
# Parts of a run's summary that are groups of figures, with fields of their own in runs.jsonl.
GROUPS = ("drift", "compared", "cache")


class Watched:
    """A run whose events are sent to a listener.

    Args:
        folder: the model folder.
        on_event: the listener.

    Attributes:
        has_ended: whether the last event was sent.
        gate: the comparisons of the gate so far.
    """

    def __init__(self, folder: ModelFolder, on_event: OnRunEvent) -> None:
        self.folder = folder
        self._on_event = on_event
        self._began = time.monotonic()
        self.has_ended = False
        self.gate: list[GateDone] = []

    def tell(self, event: RunEvent) -> None:
        """Send an event to the listener."""
        if isinstance(event, GateDone):
            self.gate.append(event)
        self._on_event(event)

    def end(self, run: Run) -> None:
        """Send the last event."""
        self.has_ended = True
        ended = RunEnded(
            outcome=run.outcome,
            exit_code=EXIT_BUG if run.exit_code is None else run.exit_code,
            generation=run.generation,
            message=run.message,
            changes=run.changes,
            figures=run.figures,
            seconds=time.monotonic() - self._began,
        )
        self._on_event(ended)


@contextlib.contextmanager
def watched(
    folder: ModelFolder, sources: Sequence[str], settings: Settings, on_event: OnRunEvent
) -> Iterator[Watched]:
    """Send the first event of a run, and its last event if the run fails before it holds the model's lock."""
    run = Watched(folder, on_event)
    started = RunStarted(
        pid=os.getpid(),
        lmctl=__version__,
        model=folder.folder,
        inputs=[files.printable(source) for source in sources],
        settings=settings.plain_values(),
    )
    run.tell(started)
    try:
        yield run
    except BaseException as error:
        if not run.has_ended:
            outcome, exit_code, message = _describe(error)
            log_without_a_run(run, outcome, exit_code, message)
        raise


@contextlib.contextmanager
def logged(watched: Watched) -> Iterator[dict[str, Any]]:
    """Log a run that may publish. The caller holds the model's lock.

    Yields:
        The summary of the run, which the caller fills in.
    """
    log = RunLog(watched.folder)
    start, summary = log.begin(), dict[str, Any]()
    current = watched.folder.sound_current()
    outcome: Outcome = "failed"
    exit_code, message = EXIT_BUG, None
    try:
        watched.tell(LockTaken(generation=None if current is None else current.name))
        yield summary
        outcome, exit_code = "published", 0
    except BaseException as error:
        outcome, exit_code, message = _describe(error)
        raise
    finally:
        published, changes = summary.get("published"), summary.pop("changes", None)
        run = Run(
            start=start,
            end=now(),
            pid=os.getpid(),
            outcome=outcome,
            exit_code=exit_code,
            generation=None if published is None else Path(published).name,
            message=None if message is None else files.printable(message),
            changes=changes,
            gate=msgspec.to_builtins(watched.gate) or None,
            **_figures(summary),
        )
        # A full disk must not change the exit code of the run.
        try:
            log.end(run)
        except OSError as error:
            _warn(watched, error, exit_code)
        watched.end(run)


def log_without_a_run(
    watched: Watched,
    outcome: Outcome,
    exit_code: int,
    message: str | None = None,
    summary: Mapping[str, Any] | None = None,
) -> None:
    """Log a run that had nothing to train, or that failed before it began to train."""
    current, time = watched.folder.sound_current(), now()
    run = Run(
        start=time,
        end=time,
        pid=os.getpid(),
        outcome=outcome,
        exit_code=exit_code,
        generation=None if current is None or outcome not in ("unchanged", "rejected") else current.name,
        message=None if message is None else files.printable(message),
        **_figures(summary or {}),
    )
    # The run that holds the lock writes its own line. A mistyped name must not make a model folder.
    if outcome != "locked" and is_model(watched.folder.folder):
        try:
            RunLog(watched.folder).append(run)
        except OSError as error:
            _warn(watched, error, exit_code)
    watched.end(run)


def _warn(watched: Watched, error: OSError, exit_code: int) -> None:
    # If the disk has ended the run, its error message is enough.
    if exit_code != StorageError.exit_code:
        logger.warning("%s: could not be written: %s", watched.folder.folder / RUNS, error.strerror)


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a summary, as fields of the line: single figures, and groups of figures by name."""
    said = {name: value for name, value in summary.items() if name not in ("outcome", "published", "model")}
    groups = {name: said.pop(name, None) for name in GROUPS}
    return {"figures": said, **groups}


def _describe(error: BaseException) -> tuple[Outcome, int, str]:
    """The outcome, the exit code and the message of a run that an exception ends."""
    text = " ".join(str(error).split())
    if isinstance(error, InterruptedRunError):
        return "interrupted", error.exit_code, text
    if isinstance(error, QualityGateError):
        return "rejected", error.exit_code, text
    if isinstance(error, LockedError):
        return "locked", error.exit_code, text
    if isinstance(error, LmctlError):
        return "failed", error.exit_code, text
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 128 + signal.SIGINT, "interrupted"
    if isinstance(error, SystemExit):
        return "interrupted", error.code if isinstance(error.code, int) else 1, "terminated"
    if isinstance(error, BrokenPipeError):
        return "failed", EXIT_BROKEN_PIPE, text
    if isinstance(error, OSError):
        return "failed", StorageError.exit_code, text
    return "failed", LmctlError.exit_code if isinstance(error, MemoryError) else EXIT_BUG, text
