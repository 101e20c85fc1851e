"""The line that every run leaves in its model's runs.jsonl, however it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.errors import InterruptedRunError, LmctlError, QualityGateError, StorageError
from lmctl.store.runs import RUNS, Outcome, Run, RunLog, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)

EXIT_BUG, EXIT_BROKEN_PIPE = 70, 141


@contextlib.contextmanager
def logged(folder: ModelFolder) -> Iterator[dict[str, Any]]:
    """Log a run that may publish; whoever runs it holds the model's lock.

    Yields:
        The run's summary, for the caller to fill in when it has published.
    """
    log = RunLog(folder)
    start, summary = log.begin(), dict[str, Any]()
    outcome: Outcome = "failed"
    exit_code, message = EXIT_BUG, None
    try:
        yield summary
        outcome, exit_code = "published", 0
    except BaseException as error:
        outcome, exit_code, message = _describe(error)
        raise
    finally:
        published = summary.pop("published", None)
        run = Run(
            start=start,
            end=now(),
            pid=os.getpid(),
            outcome=outcome,
            exit_code=exit_code,
            generation=None if published is None else Path(published).name,
            message=None if message is None else files.printable(message),
            figures={name: value for name, value in summary.items() if name not in ("outcome", "model")},
        )
        # How the run ended is said by its exit code; a full disk must not change that.
        try:
            log.end(run)
        except OSError as error:
            # Where the disk has ended the run, one line about it is enough.
            if exit_code != StorageError.exit_code:
                logger.warning("%s: could not be written: %s", RUNS, error)


def log_without_a_run(folder: ModelFolder, outcome: Outcome, exit_code: int, message: str | None = None) -> None:
    """Log that there was nothing to train."""
    current, time = folder.current(), now()
    run = Run(
        start=time,
        end=time,
        pid=os.getpid(),
        outcome=outcome,
        exit_code=exit_code,
        generation=None if current is None else current.name,
        message=message,
    )
    try:
        RunLog(folder).append(run)
    except OSError as error:
        logger.warning("%s: could not be written: %s", RUNS, error)


def _describe(error: BaseException) -> tuple[Outcome, int, str]:
    """How a run ended by an exception: its outcome, the exit code it will have, and what it says."""
    text = " ".join(str(error).split())
    if isinstance(error, InterruptedRunError):
        return "interrupted", error.exit_code, text
    if isinstance(error, QualityGateError):
        return "rejected", error.exit_code, text
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
