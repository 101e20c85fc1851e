"""The events of a run as lines of JSON, for other programs; docs/watching.md lists their keys."""

from __future__ import annotations

import logging
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.jobs.watching.events import (
    CacheTuned,
    CheckpointSaved,
    Compared,
    GateDone,
    LockTaken,
    Prepared,
    RunEnded,
    RunStarted,
    TextRead,
)
from lmctl.jobs.watching.tuning_events import StudyEnded, StudyStarted, TrialEnded, TrialPoint, TrialStarted
from lmctl.store.runs import now
from lmctl.training.events import CurvePoint, Drift, EpochDone, StepDone, TrainingStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.jobs.watching.events import RunEvent
    from lmctl.jobs.watching.tuning_events import TuningEvent

logger = logging.getLogger(__name__)

STANDARD_ERROR = "-"
NAMES: dict[type, str] = {
    RunStarted: "run_started",
    LockTaken: "lock_taken",
    TextRead: "text_read",
    Prepared: "prepared",
    Drift: "drift",
    TrainingStarted: "training_started",
    StepDone: "progress",
    CurvePoint: "curve_point",
    EpochDone: "epoch_done",
    CheckpointSaved: "checkpoint_saved",
    Compared: "compared",
    CacheTuned: "cache_tuned",
    GateDone: "gate_done",
    RunEnded: "run_ended",
    StudyStarted: "study_started",
    TrialStarted: "trial_started",
    TrialPoint: "trial_point",
    TrialEnded: "trial_ended",
    StudyEnded: "study_ended",
}
# Frequent events: one is written only if no line was written for PROGRESS_SECONDS.
FREQUENT = (TextRead, StepDone)
PROGRESS_SECONDS = 10.0


class EventLog:
    """Appends a line for each event to a file, each line with one write.

    If the file was renamed or removed, the next line begins a new file. If it was truncated, the next line is its
    first one. If the file cannot be written any more, one warning says so, and the run goes on.

    Args:
        path: path of the file, or "-" for standard error.
        clock: a monotonic clock, in seconds.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        # A separate descriptor: while TensorFlow is loaded, descriptor 2 is redirected to nowhere.
        self._descriptor = os.dup(2) if path == STANDARD_ERROR else _open(path)
        self._last = clock()
        self._torn = False
        self._warned = False

    def __call__(self, event: RunEvent | TuningEvent) -> None:
        """Write the line of an event."""
        if isinstance(event, FREQUENT) and self._clock() - self._last < PROGRESS_SECONDS:
            return
        self._last = self._clock()
        try:
            self._reopen_if_moved()
            self._write(_line(event))
        except OSError as error:
            self._torn = True
            if not self._warned:
                logger.warning("%s: could not be written: %s; the run goes on", self._path, error.strerror)
            self._warned = True

    def _write(self, line: bytes) -> None:
        # A line that a full disk cut off has no line end. A new line is begun, so that only one line is lost.
        files.write_all(self._descriptor, b"\n" + line if self._torn else line)
        self._torn = False

    def _reopen_if_moved(self) -> None:
        """Open the path again if log rotation has renamed or removed the file; a pipe stays open."""
        opened = os.fstat(self._descriptor)
        if self._path == STANDARD_ERROR or not stat.S_ISREG(opened.st_mode):
            return
        try:
            named = Path(self._path).stat()
        except FileNotFoundError:
            named = None
        if named is None or not os.path.samestat(opened, named):
            descriptor = _open(self._path)
            os.close(self._descriptor)
            self._descriptor = descriptor
            self._torn = False


def _open(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _line(event: RunEvent | TuningEvent) -> bytes:
    content = msgspec.to_builtins(event, enc_hook=files.printable)
    return msgspec.json.encode({"time": now(), "event": NAMES[type(event)], **content}) + b"\n"
