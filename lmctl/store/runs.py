"""runs.jsonl: a line for each training run of a model, appended when it ends.

A run that was killed wrote none; the next one finds what it left at its start and writes the line for it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from lmctl import files
from lmctl.store.notes import read_note, write_note

if TYPE_CHECKING:
    from lmctl.store.generations import ModelFolder

RUNS, BEGUN = "runs.jsonl", "begun.json"

Outcome = Literal["published", "unchanged", "rejected", "interrupted", "failed", "killed"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        start: an ISO 8601 time in UTC.
        end: likewise; None where the run was killed.
        pid: of its process.
        outcome: how it ended.
        exit_code: of its process; None where it was killed.
        generation: what it published, or what was current and needed no change; None where there is none.
        message: what it said when it failed.
        figures: of what it published: tokens, steps, perplexities; of what the gate refused: bits per character of
            it and of what is published.
    """

    start: str
    end: str | None = None
    pid: int
    outcome: Outcome
    exit_code: int | None = None
    generation: str | None = None
    message: str | None = None
    figures: dict[str, bool | int | float | str | None] = {}


class _Begun(msgspec.Struct, frozen=True):
    start: str
    pid: int


class RunLog:
    """The runs of a model; whoever begins one holds the model's lock.

    Args:
        model: whose.
    """

    def __init__(self, model: ModelFolder) -> None:
        self._path = model.folder / RUNS
        self._begun = model.work / BEGUN

    def begin(self) -> str:
        """Take note that a run begins, and when; one that was killed before it gets its line."""
        killed = read_note(self._begun, _Begun)
        # A kill between the line and the removal of the note leaves both.
        if killed is not None and (killed.start, killed.pid) not in [
            (run.start, run.pid) for run in self.read()[-1:]
        ]:
            self.append(Run(start=killed.start, pid=killed.pid, outcome="killed"))
        begun = _Begun(now(), os.getpid())
        write_note(self._begun, begun)
        return begun.start

    def end(self, run: Run) -> None:
        """Write the line of the run that began."""
        try:
            self.append(run)
        finally:
            self._begun.unlink(missing_ok=True)

    def read(self) -> list[Run]:
        """All runs, the oldest first; a line that was torn is left out."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        runs = []
        for line in lines:
            try:
                runs.append(msgspec.json.decode(line, type=Run))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return runs

    def append(self, run: Run) -> None:
        """Write a line; on its own, of a run that did not begin, for there was nothing to do."""
        with files.named_in_errors(self._path), self._path.open("ab+") as file:
            # A line that a power cut tore has no end: a new one is begun, so that only it is lost.
            torn = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + msgspec.json.encode(run) + b"\n")
            file.flush()
            os.fsync(file.fileno())


def now() -> str:
    """The time, ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat("T", "seconds")
