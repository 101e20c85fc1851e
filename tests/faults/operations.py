"""Watches the calls by which a process changes files below a folder, before and after each call.

The command changes files and folders only by a few functions of the modules `os` and `io`. They are replaced by
functions that tell a watcher of each operation. A watcher may end the process, raise the error of a disk, or
record the operation. A change through a memory map is not seen; lmctl maps only scratch files for writing.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import shutil  # noqa: F401  looks at what os can do when it is imported: before anything is replaced
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One change of a file or a folder, or a sync of one.

    Attributes:
        name: name of the call: open, write, truncate, mkdir, rmdir, unlink, remove, rename, replace, symlink,
            link, fsync, fchmod.
        given: the path or descriptor in the call; for a rename, the target.
        place: the absolute path of the file, with its folders resolved.
        source: for a rename or a link, the other path, absolute; for a symbolic link, its target.
        creates: for an open: whether the file did not exist.
        empties: for an open: whether it truncates an existing file to 0 bytes.
        content: content of a write.
        offset: offset of a write, in bytes.
        size: size after a truncate, in bytes.
    """

    name: str
    given: Any
    place: str
    source: str = ""
    creates: bool = False
    empties: bool = False
    content: bytes = b""
    offset: int = 0
    size: int = 0


class Watcher(Protocol):
    """Gets told of operations."""

    def before(self, operation: Operation, half_done: Callable[[], object] | None = None) -> None:
        """Called before an operation; `half_done` does its first half."""

    def after(self, operation: Operation) -> None:
        """Called after an operation."""


class Calls:
    """Replaces the calls of this process by functions that tell a watcher.

    Args:
        below: the folder whose files are watched.
        watcher: it is told of each operation.
    """

    def __init__(self, below: str, watcher: Watcher) -> None:
        self._below = os.path.realpath(below)
        self.watcher = watcher

    def install(self) -> None:
        """Replace the calls that change files."""
        for name in ("unlink", "remove", "rmdir", "mkdir"):
            self._replace(name, lambda path, *_args, dir_fd=None, **_options: (path, dir_fd, {}))
        for name in ("rename", "replace", "link"):
            self._replace(name, self._of_two_paths)
        self._replace(
            "symlink", lambda source, target, *_args, **_options: (target, None, {"source": os.fsdecode(source)})
        )
        for name in ("fsync", "fdatasync", "fchmod"):
            self._replace(name, lambda descriptor, *_args: (descriptor, None, {}))
        for name in ("truncate", "ftruncate"):
            self._replace(name, lambda path, size: (path, None, {"size": size}))
        self._replace("open", self._of_os_open)
        opened = io.open

        def watched_open(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
            if not set(mode) & set("wax+") or self.place_of(file) is None:
                return opened(file, mode, buffering, *args, **options)
            return self._open(file, mode, buffering, *args, **options)

        io.open = watched_open  # type: ignore[assignment]
        builtins.open = watched_open  # type: ignore[assignment]

    def place_of(self, path: Any, folder: int | None = None) -> str | None:
        """The absolute path of an open file, or of a path, which may be relative to an open folder.

        None if it is not below the watched folder.
        """
        with contextlib.suppress(OSError):
            if isinstance(path, int):
                place = Path(f"/proc/self/fd/{path}").readlink()
            elif folder is not None:
                place = Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(path)
            else:
                place = Path(os.path.realpath(Path(os.fsdecode(path)).parent), Path(os.fsdecode(path)).name)
            if place == Path(self._below) or Path(self._below) in place.parents:
                return str(place)
        return None

    def _replace(self, name: str, what: Callable[..., tuple[Any, int | None, dict[str, Any]] | None]) -> None:
        original = getattr(os, name)

        def watched(*args: Any, **options: Any) -> Any:
            found = what(*args, **options)
            place = None if found is None else self.place_of(*found[:2])
            if found is None or place is None:
                return original(*args, **options)
            operation = Operation(name=name, given=found[0], place=place, **found[2])
            self.watcher.before(operation)
            result = original(*args, **options)
            self.watcher.after(operation)
            return result

        setattr(os, name, watched)

    def _of_two_paths(self, source: Any, target: Any, **_options: Any) -> tuple[Any, None, dict[str, Any]]:
        return target, None, {"source": self.place_of(source) or ""}

    def _of_os_open(
        self, path: Any, flags: int, *_args: Any, dir_fd: int | None = None, **_options: Any
    ) -> tuple[Any, int | None, dict[str, Any]] | None:
        if not flags & (os.O_CREAT | os.O_TRUNC):
            return None
        place = self.place_of(path, dir_fd)
        creates = place is not None and not os.path.lexists(place)
        return path, dir_fd, {"creates": creates, "empties": bool(flags & os.O_TRUNC) and not creates}

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
        operation = None
        if not isinstance(file, int):
            place = str(self.place_of(file))
            creates = not os.path.lexists(place)
            operation = Operation(
                name="open", given=file, place=place, creates=creates, empties="w" in mode and not creates
            )
            self.watcher.before(operation)
        raw = _WatchedFile(self, file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if operation is not None:
            self.watcher.after(operation)
        if buffering == 0:
            return raw
        # A file with mode w+ needs BufferedRandom. NumPy writes into a write-only file behind Python's back.
        buffered = io.BufferedRandom(raw) if raw.readable() else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


class _WatchedFile(io.FileIO):
    """A file that tells the watcher of each write, and can do the first half of a write alone."""

    def __init__(self, calls: Calls, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener)
        self._calls = calls
        self._appends = "a" in mode

    def write(self, content: Any) -> int | None:
        view = memoryview(content).cast("B")
        write = super().write
        place = self._calls.place_of(self.fileno()) or ""
        offset = self.seek(0, os.SEEK_END) if self._appends else self.tell()
        operation = Operation(name="write", given=self.fileno(), place=place, content=bytes(view), offset=offset)
        self._calls.watcher.before(operation, lambda: write(view[: len(view) // 2]))
        written = write(view)
        self._calls.watcher.after(operation)
        return written

    def truncate(self, size: int | None = None) -> int:
        length = self.tell() if size is None else size
        place = self._calls.place_of(self.fileno()) or ""
        operation = Operation(name="truncate", given=self.fileno(), place=place, size=length)
        self._calls.watcher.before(operation)
        done = super().truncate(length)
        self._calls.watcher.after(operation)
        return done
