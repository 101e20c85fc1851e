"""runs.jsonl: a line for each training run of a model, appended when the run ends.

A killed run writes no line. The next run finds the note of its start, and writes its line.
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
    from pathlib import Path

    from lmctl.store.generations import ModelFolder

# The line of a run takes a few hundred bytes, so this holds a run every minute for three months.
MOST_BYTES_READ = 64 << 20

# A run that ends because another run holds the lock writes no line.
Outcome = Literal["published", "unchanged", "rejected", "interrupted", "failed", "killed", "locked"]


# ISO 8601 to the second in UTC, as `now` returns it, in the years 1900 to 2999.
Time = Annotated[
    str,
    Meta(
        pattern=r"^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8]|29|30|31)"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\+00:00\Z"
    ),
]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The differences from the last run that published; all empty if --force alone made the run train.

    Attributes:
        inputs: the paths of files that have changed, are new, or are not read any more; all files if only their
            order differs.
        settings: the keys whose values differ, or that only one of the two runs set.
        versions: the packages, each with its version in the last run and now.
    """

    inputs: list[str] = []
    settings: list[str] = []
    versions: list[str] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One training run.

    Attributes:
        start: an ISO 8601 time in UTC.
        end: an ISO 8601 time in UTC; None if the run was killed.
        pid: id of its process.
        outcome: how it ended.
        exit_code: exit code of its process; None if it was killed.
        generation: the generation that it published, or the current one if nothing had changed; None if neither.
        message: the error message of a run that failed.
        changes: the differences that made it train; None if there was nothing to compare with: no generation, or
            the text came from standard input, which cannot be read twice.
        figures: tokens, steps and perplexities of `generation`; if the gate refused the new model, the bits per
            character of both models.
        drift: changes since the older model that training started from, with the fields of its event.
        compared: the network beside an n-gram model, with the fields of its event.
        cache: perplexities with and without a cache, with the fields of its event.
        gate: the comparisons of the gate, with the fields of their events; None: there was no comparison.
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
    gate: list[dict[str, Any]] | None = None


class _Begun(msgspec.Struct, frozen=True):
    start: Time
    pid: int


class RunLog:
    """The log of the runs of a model. The caller of `begin` holds the model's lock.

    Args:
        model: the model folder.
    """

    def __init__(self, model: ModelFolder) -> None:
        self._path = model.folder / RUNS
        self._begun = model.work / BEGUN
        self._beside = model.scratch

    def begin(self) -> str:
        """Write a note that a run begins, and the line of a run that was killed before.

        Returns:
            The time of the start.
        """
        killed = read_note(self._begun, _Begun)
        # A kill between the line and the removal of the note leaves both, and runs with nothing to do may follow.
        if killed is not None and all(
            (killed.start, killed.pid) != (run.start, run.pid) for run in self.newest_first()
        ):
            self.append(Run(start=killed.start, pid=killed.pid, outcome="killed"))
        begun = _Begun(now(), os.getpid())
        write_note(self._begun, begun, self._beside)
        return begun.start

    def end(self, run: Run) -> None:
        """Write the line of the run that began, and remove its note."""
        try:
            self.append(run)
        finally:
            self._begun.unlink(missing_ok=True)

    def read(self) -> list[Run]:
        """Return all runs, the oldest first; a damaged line is left out."""
        return list(self.newest_first())[::-1]

    def newest_first(self) -> Iterator[Run]:
        """Yield all runs, as `runs_in` does."""
        return runs_in(self._path.parent)

    def append(self, run: Run) -> None:
        """Append a line. A run with nothing to do calls this alone, without `begin`."""
        is_new = not self._path.exists()
        with files.named_in_errors(self._path), self._path.open("ab+") as file:
            # A power cut may leave a line without its end. The new line must not be joined to it.
            torn = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(run) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            files.sync_folder(self._path.parent)


def runs_in(folder: Path) -> Iterator[Run]:
    """Yield the runs of a model folder, the newest first.

    Each line is decoded on demand, because there may be very many; a damaged line is left out.
    """
    try:
        with open_regular(folder / RUNS) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES_READ))
            lines = file.read(MOST_BYTES_READ).splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        with contextlib.suppress(DataError):
            yield decode_record(line, Run, RUNS)


def now() -> str:
    """Return the present time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat("T", "seconds")
