"""The line that every run leaves in its model's runs.jsonl, however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl.errors import InterruptedRunError, LmctlError, QualityGateError, StorageError
from lmctl.store.runs import Outcome, Run, RunLog, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.store.generations import ModelFolder

EXIT_BUG = 70


@contextlib.contextmanager
def logged(folder: ModelFolder) -> Iterator[dict[str, Any]]:
    """Log a run that may publish; whoever runs it holds the model's lock.

    Yields:
        The run's summary, for the caller to fill in when it has published.
    """
    log = RunLog(folder)
    log.begin()
    start, summary = log.started(), dict[str, Any]()
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
        log.end(
            Run(
                start=start,
                end=now(),
                pid=os.getpid(),
                outcome=outcome,
                exit_code=exit_code,
                generation=None if published is None else Path(published).name,
                message=message,
                figures={name: value for name, value in summary.items() if name not in ("outcome", "model")},
            )
        )


def log_unchanged(folder: ModelFolder, current: Path) -> None:
    """Log a run that had nothing to do."""
    time = now()
    run = Run(start=time, end=time, pid=os.getpid(), outcome="unchanged", exit_code=0, generation=current.name)
    RunLog(folder).append(run)


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
    if isinstance(error, OSError):
        return "failed", StorageError.exit_code, text
    return "failed", LmctlError.exit_code if isinstance(error, MemoryError) else EXIT_BUG, text
