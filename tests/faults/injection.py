"""Faults at the n-th operation on disk: a process that dies there, or a disk that says no.

Everything the command does to the files below one folder goes through a handful of calls, of the modules `os` and
`io`. They are replaced by ones that count, and that at one of them kill the process or raise what a disk raises. A
write that fails, or that a kill interrupts, leaves its first half behind, as a real one does.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import shutil  # noqa: F401  looks at what os can do when it is imported: before anything is replaced
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Watch:
    """The operations of this process on the files below a folder.

    Args:
        fault: what to do at one of them.
        log: the descriptor of a file that each one's name is written to.
    """

    def __init__(self, fault: Fault, log: int) -> None:
        self._below = os.path.realpath(fault.below)
        self._fault = fault
        self._log = log
        self._count = 0

    def install(self) -> None:
        """Take the place of the calls that change files."""
        for name in ("unlink", "remove", "rmdir", "mkdir"):
            self._replace(name, lambda path, *_args, dir_fd=None, **_options: (path, dir_fd))
        for name in ("rename", "replace"):
            self._replace(name, lambda _source, target, **_options: (target, None))
        self._replace("symlink", lambda _source, target, *_args, **_options: (target, None))
        for name in ("fsync", "fchmod"):
            self._replace(name, lambda descriptor, *_args: (descriptor, None))
        self._replace("open", _of_os_open)
        opened = io.open

        def counting_open(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+") or not self._is_watched(file):
                return opened(file, mode, buffering, *args, **options)
            return self._open(file, mode, buffering, *args, **options)

        io.open = counting_open  # type: ignore[assignment]
        builtins.open = counting_open  # type: ignore[assignment]

    def happens(self, name: str, path: Any, half_done: Callable[[], object] | None = None) -> None:
        """An operation is about to happen; `half_done` does its first half."""
        number, self._count = self._count, self._count + 1
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

    def _replace(self, name: str, what: Callable[..., tuple[Any, int | None] | None]) -> None:
        original = getattr(os, name)

        def counting(*args: Any, **options: Any) -> Any:
            found = what(*args, **options)
            if found is not None and self._is_watched(*found):
                self.happens(name, found[0])
            return original(*args, **options)

        setattr(os, name, counting)

    def _is_watched(self, path: Any, folder: int | None = None) -> bool:
        """Whether a path, relative to an open folder or not, or an open file is below the watched folder."""
        with contextlib.suppress(OSError):
            if isinstance(path, int):
                place = Path(f"/proc/self/fd/{path}").readlink()
            elif folder is not None:
                place = Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(path)
            else:
                place = Path(os.path.realpath(Path(os.fsdecode(path)).parent), Path(os.fsdecode(path)).name)
            return place == Path(self._below) or Path(self._below) in place.parents
        return False

    def _open(
        self,
        file: Any,
        mode: str,
        buffering: int,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        if not isinstance(file, int):
            self.happens("open", file)
        raw = _CountedFile(self, file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if buffering == 0:
            return raw
        # Both ways where one was asked for: NumPy writes into what can only write behind Python's back.
        buffered = io.BufferedRandom(raw) if raw.readable() else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


class _CountedFile(io.FileIO):
    """A file whose writes are counted, and one of which may be cut off in its middle."""

    def __init__(self, watch: Watch, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener)
        self._watch = watch

    def write(self, content: Any) -> int | None:
        view = memoryview(content).cast("B")
        write = super().write
        self._watch.happens("write", self.fileno(), lambda: write(view[: len(view) // 2]))
        return write(view)


def _of_os_open(path: Any, flags: int, *_args: Any, dir_fd: int | None = None, **_options: Any) -> Any:
    return (path, dir_fd) if flags & os.O_CREAT else None
