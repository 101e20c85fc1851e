"""Faults at the n-th operation on disk: a process that dies there, or a disk that says no.

A write that fails, or that a kill interrupts, leaves its first half behind, as a real one does.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operations import Calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from operations import Operation

KILL = "SIGKILL"
ERRORS = ("ENOSPC", "EIO", "EACCES")


@dataclass(frozen=True)
class Fault:
    """What happens, and when.

    Attributes:
        below: the folder whose files are watched.
        kind: "SIGKILL", or the name of an error.
        at: before which operation, from 0; -1: never, which only counts.
        lasting: whether all later operations that need space fail as well.
    """

    below: str
    kind: str = KILL
    at: int = -1
    lasting: bool = False


class FaultWatcher:
    """Counts the operations of this process on the files below a folder, and lets one of them fail.

    Args:
        fault: what to do at one of them.
        log: the descriptor of a file that each one's name is written to.
    """

    def __init__(self, fault: Fault, log: int) -> None:
        self._fault = fault
        self._log = log
        self._count = 0

    def install(self) -> None:
        """Take the place of the calls that change files."""
        Calls(self._fault.below, self).install()

    def before(self, operation: Operation, half_done: Callable[[], object] | None = None) -> None:
        """An operation is about to happen; `half_done` does its first half."""
        number, self._count = self._count, self._count + 1
        name, path = operation.name, operation.given
        os.write(self._log, f"{name} {path}\n".encode("utf-8", "backslashreplace"))
        fault = self._fault
        needs_space = name in ("open", "write", "mkdir", "symlink")
        if number != fault.at and not (fault.lasting and 0 <= fault.at < number and needs_space):
            return
        if half_done is not None:
            half_done()
        if fault.kind == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        code = getattr(errno, fault.kind)
        # A failing write or fsync knows of no name.
        raise OSError(code, os.strerror(code), *(() if isinstance(path, int) else (os.fspath(path),)))

    def after(self, operation: Operation) -> None:
        """What has happened needs no answer."""
