"""Faults at the n-th operation on disk: the process is killed there, or the disk reports an error.

A write that fails or is interrupted by a kill leaves its first half on disk, as a real write may.
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
    """A fault and its time.

    Attributes:
        below: the folder whose files are watched.
        kind: "SIGKILL", or the name of an error.
        at: number of the operation before which it happens, from 0; -1: never, operations are only counted.
        lasting: whether all later operations that need space fail as well.
    """

    below: str
    kind: str = KILL
    at: int = -1
    lasting: bool = False


class FaultWatcher:
    """Counts the operations of this process on the files below a folder, and makes one of them fail.

    Args:
        fault: the fault.
        log: descriptor of a file to which the name of each operation is written.
    """

    def __init__(self, fault: Fault, log: int) -> None:
        self._fault = fault
        self._log = log
        self._count = 0

    def install(self) -> None:
        """Replace the calls that change files."""
        Calls(self._fault.below, self).install()

    def before(self, operation: Operation, half_done: Callable[[], object] | None = None) -> None:
        """Called before an operation; `half_done` does its first half."""
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
        # The error of a failing write or fsync has no file name.
        raise OSError(code, os.strerror(code), *(() if isinstance(path, int) else (os.fspath(path),)))

    def after(self, operation: Operation) -> None:
        """Called after an operation; nothing is to be done."""
