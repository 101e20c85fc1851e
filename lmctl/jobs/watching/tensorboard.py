"""The figures of a run as scalars for TensorBoard; docs/watching.md lists the tags."""

from __future__ import annotations

import errno
import logging
import math
import time
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.jobs.watching.events import CacheTuned, Compared, GateDone, RunEnded
from lmctl.training.events import EpochDone, StepDone
from lmctl.training.loading import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lmctl.jobs.watching.events import RunEvent
    from lmctl.training.event_files import EventFile

logger = logging.getLogger(__name__)

# A step is written if no scalar was written for so long.
STEP_SECONDS = 1.0
# The file is flushed at most once in this time, and after every epoch.
FLUSH_SECONDS = 10.0
_OF_STEPS = (
    "train_perplexity",
    "train_masked_cross_entropy_nats",
    "tokens_per_second",
)
_OF_EPOCHS = (
    *_OF_STEPS,
    "valid_perplexity",
    "valid_masked_cross_entropy_nats",
    "learning_rate",
)
_OF_COMPARISON = ("ngram_perplexity", "network_perplexity", "mixture_perplexity")
_OF_CACHE = ("perplexity_without", "perplexity")


class TensorBoardLog:
    """Writes scalars of a run to an event file. A run without figures writes no file.

    If the file cannot be written any more, one warning says so, and the run goes on.

    Args:
        folder: the folder of the file.
        clock: a monotonic clock, in seconds.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        OSError: the folder cannot be made, or no file can be written in it.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        require_tensorflow("an event file for TensorBoard")
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "expected a folder, got a file", str(folder))
        folder.mkdir(parents=True, exist_ok=True)
        files.check_writable(folder / "events.out.tfevents")
        self._folder = folder
        self._clock = clock
        self._file: EventFile | None = None
        self._written = self._flushed = -math.inf
        self._step = 0
        self._failed = False

    def __call__(self, event: RunEvent) -> None:
        """Write the scalars of an event."""
        if isinstance(event, StepDone):
            self._step = event.step
            if self._clock() - self._written >= STEP_SECONDS:
                self._write({f"step/{name}": getattr(event, name) for name in _OF_STEPS})
        elif isinstance(event, EpochDone):
            self._step = event.step
            self._write({f"epoch/{name}": getattr(event, name) for name in _OF_EPOCHS}, flush=True)
        elif isinstance(event, Compared):
            self._write({f"compared/{name}": getattr(event, name) for name in _OF_COMPARISON})
        elif isinstance(event, CacheTuned):
            self._write({f"cache/{name}": getattr(event, name) for name in _OF_CACHE})
        elif isinstance(event, GateDone):
            figures = {"published": event.published_bits_per_character, "new": event.new_bits_per_character}
            self._write({f"gate/{event.text}/{name}_{event.figure}": value for name, value in figures.items()})
        elif isinstance(event, RunEnded):
            self._end(event)

    def _end(self, event: RunEnded) -> None:
        if event.outcome == "published":
            names = ("valid_perplexity", "valid_pseudo_perplexity")
            self._write({f"published/{name}": event.figures.get(name) for name in names})
        if self._file is not None:
            self._safely(self._file.close)

    def _write(self, values: dict[str, float | None], *, flush: bool = False) -> None:
        """Write the values that are known, of the last step."""
        known = {tag: value for tag, value in values.items() if value is not None}
        if not known or self._failed:
            return
        self._written = self._clock()

        def write() -> None:
            if self._file is None:
                # Imported here: TensorFlow is loaded only by a run that has figures.
                from lmctl.training.event_files import EventFile

                self._file = EventFile(self._folder)
            self._file.write(self._step, known)
            if flush or self._written - self._flushed >= FLUSH_SECONDS:
                self._flushed = self._written
                self._file.flush()

        self._safely(write)

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - TensorFlow's errors have no common class of their own
            if not self._failed:
                logger.warning("%s: the event file could not be written: %s; the run goes on", self._folder, error)
            self._failed = True
