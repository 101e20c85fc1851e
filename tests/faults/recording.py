"""Records the steps of a run on disk, in order, with its syncs. The run writes the file, a test reads it."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from operations import Calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from operations import Operation


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of a disk, or a sync.

    Attributes:
        kind: create, write, truncate, mkdir, rmdir, unlink, rename, symlink, link or sync.
        path: relative to the recorded folder; for a rename or a link, the new path.
        source: for a rename or a link, the other path, also relative; for a symlink, its target.
        content: content of a write.
        offset: offset of a write, in bytes.
        size: size after a truncate, in bytes.
    """

    kind: str
    path: str
    source: str = ""
    content: bytes = b""
    offset: int = 0
    size: int = 0

    def __str__(self) -> str:
        what = f" {self.source} ->" if self.source else ""
        return f"{self.kind}{what} {self.path}" + (f" ({len(self.content)} bytes)" if self.content else "")


KINDS = {
    "replace": "rename",
    "remove": "unlink",
    "fsync": "sync",
    "fdatasync": "sync",
    "ftruncate": "truncate",
}


class Recorder:
    """Records the operations of this process on the files below a folder.

    Args:
        below: the folder.
        path: path of the recording, outside of the folder.
    """

    def __init__(self, below: str, path: str) -> None:
        self._below = os.path.realpath(below)
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115  open until the process ends

    def install(self) -> None:
        """Replace the calls that change files."""
        Calls(self._below, self).install()

    def before(self, operation: Operation, half_done: Callable[[], object] | None = None) -> None:
        """Only operations that have happened are recorded."""

    def after(self, operation: Operation) -> None:
        """Record an operation."""
        # A file without a name is lost after a power cut. Permission bits are not modelled.
        if not operation.place or operation.place.endswith(" (deleted)") or operation.name == "fchmod":
            return
        path = os.path.relpath(operation.place, self._below)
        if operation.name == "open":
            if operation.creates:
                self._write(Step(kind="create", path=path))
            elif operation.empties:
                self._write(Step(kind="truncate", path=path))
            return
        kind, source = KINDS.get(operation.name, operation.name), operation.source
        if kind in ("rename", "link"):
            source = os.path.relpath(source, self._below)
        self._write(
            Step(
                kind=kind,
                path=path,
                source=source,
                content=operation.content,
                offset=operation.offset,
                size=operation.size,
            )
        )

    def _write(self, step: Step) -> None:
        self._file.write(pickle.dumps(step))


def read_steps(path: Path) -> list[Step]:
    """The steps in a recording."""
    steps = []
    with path.open("rb") as file:
        while file.peek(1):
            steps.append(pickle.load(file))  # noqa: S301  our own, of a moment ago
    return steps
