"""runs.jsonl: a line for each training run of a model, appended when it ends.

A run that was killed wrote none; the next one finds what it left at its start and writes the line for it.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lmctl import files
from lmctl.errors import DataError
from lmctl.records import decode_record, open_regular
from lmctl.store.layout import BEGUN, RUNS
from lmctl.store.notes import read_note, write_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.store.generations import ModelFolder

# A run takes a few hundred bytes: this is a run every minute for three months.
MOST_BYTES_READ = 64 << 20

# A run that ends because another one holds the model's lock leaves no line.
Outcome = Literal["published", "unchanged", "rejected", "interrupted", "failed", "killed", "locked"]


# ISO 8601, as `now` gives it: within the years that a calendar has, to the second.
Time = Annotated[
    str,
    Meta(
        pattern=r"^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]|29|30|31)"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\+00:00\Z"
    ),
]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from the last run that published; all empty where one was forced to train again.

    Attributes:
        inputs: the paths of files whose content is another, that are new, or that are not read any more; where
            they are the same files in another order, all of them.
        settings: the keys whose values differ, or that were set in one of the two runs alone.
        versions: the packages, each with its version then and now.
    """

    inputs: list[str] = []
    settings: list[str] = []
    versions: list[str] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        start: an ISO 8601 time in UTC.
        end: likewise; None if the run was killed.
        pid: of its process.
        outcome: how it ended.
        exit_code: of its process; None if it was killed.
        generation: what it published, or what was current and needed no change; None if there is none.
        message: what it said when it failed.
        changes: what made it train; None if there is nothing to compare with: no generation, or standard
            input, which cannot be read twice.
        figures: of what it published, or of what was current and needed no change: tokens, steps, perplexities; of
            what the gate refused: bits per character of it and of what is published.
        drift: what had changed since the model that training started from; as the events have it, and so the next.
        compared: the network beside n-grams.
        cache: what a cache is good for.
    """

    start: Time
    end: Time | None = None
    pid: int
    outcome: Outcome
    exit_code: Annotated[int, Meta(ge=0, le=255)] | None = None
    generation: str | None = None
    message: str | None = None
    changes: Changes | None = None
    figures: dict[str, Any] = {}
    drift: dict[str, Any] | None = None
    compared: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None


class _Begun(msgspec.Struct, frozen=True):
    start: Time
    pid: int


class RunLog:
    """The runs of a model; the caller of `begin` holds the model's lock.

    Args:
        model: whose.
    """

    def __init__(self, model: ModelFolder) -> None:
        self._path = model.folder / RUNS
        self._begun = model.work / BEGUN
        self._beside = model.scratch

    def begin(self) -> str:
        """Take note that a run begins, and when; one that was killed before it gets its line."""
        killed = read_note(self._begun, _Begun)
        # A kill between the line and the removal of the note leaves both.
        last = next(self.newest_first(), None)
        if killed is not None and (last is None or (killed.start, killed.pid) != (last.start, last.pid)):
            self.append(Run(start=killed.start, pid=killed.pid, outcome="killed"))
        begun = _Begun(now(), os.getpid())
        write_note(self._begun, begun, self._beside)
        return begun.start

    def end(self, run: Run) -> None:
        """Write the line of the run that began."""
        try:
            self.append(run)
        finally:
            self._begun.unlink(missing_ok=True)

    def read(self) -> list[Run]:
        """All runs, the oldest first; a line that was torn is left out."""
        return list(self.newest_first())[::-1]

    def newest_first(self) -> Iterator[Run]:
        """All runs, the newest first, each decoded when it is asked for: years of them are many."""
        try:
            with open_regular(self._path) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - MOST_BYTES_READ))
                lines = file.read(MOST_BYTES_READ).splitlines()
        except FileNotFoundError:
            return
        for line in reversed(lines):
            with contextlib.suppress(DataError):
                yield decode_record(line, Run, RUNS)

    def append(self, run: Run) -> None:
        """Write a line; on its own, of a run that did not begin, for there was nothing to do."""
        is_new = not self._path.exists()
        with files.named_in_errors(self._path), self._path.open("ab+") as file:
            # A line that a power cut tore has no end: a new one is begun, so that only it is lost.
            torn = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(run) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            files.sync_folder(self._path.parent)


def now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat("T", "seconds")
