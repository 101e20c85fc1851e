"""One run a model: a lock of the operating system, gone with the process that holds it, however it ends.

Who holds it stands in another file, which only explains: what counts is the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from lmctl import files
from lmctl.errors import LockedError, StorageError
from lmctl.store.layout import HOLDER, LOCK
from lmctl.store.notes import read_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What every note of a holder starts with, and hardly any other file of its name.
NOTE_START = b'{"pid":'

# Tenths of a second to wait for the holder to say who it is.
HOLDER_TRIES = 10
# `is_locked` holds a lock for an instant; a run that starts just then tries again for so long.
RETRY_SECONDS = 0.25

LockPolicy = Literal["fail", "wait"]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock; `since` is an ISO 8601 time in UTC."""

    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    host: str
    since: str


@contextlib.contextmanager
def locked(folder: Path, policy: LockPolicy = "fail") -> Iterator[None]:
    """Hold the lock of a model's folder.

    Args:
        folder: the model's.
        policy: what to do where another process holds it: fail at once, or wait for it.

    Raises:
        LockedError: another process holds it.
        StorageError: the lock's place is taken by something that is not a file.
        OSError: the folder cannot be written to.
    """
    # Deferred: queries take no lock.
    import filelock

    _check_is_file(folder / LOCK)
    lock = filelock.FileLock(folder / LOCK, timeout=-1 if policy == "wait" else RETRY_SECONDS)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LockedError(
            f"{folder}: another run holds its lock ({_describe(folder / HOLDER)}); try again later"
        ) from None
    note = folder / HOLDER
    is_ours = False
    try:
        is_ours = _may_write(note)
        if is_ours:
            _note_holder(note)
        yield
    finally:
        if is_ours:
            with contextlib.suppress(OSError):
                note.unlink()
        lock.release()


def is_locked(folder: Path) -> bool:
    """Whether a process holds the lock of a folder, on whatever host.

    The lock itself is asked, by taking it together with others (flock's LOCK_SH) for an instant. The note of the
    holder is asked only on a filesystem without such locks: a run that died leaves a note and no lock.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return _is_alive(read_note(folder / HOLDER, Holder))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return _is_alive(read_note(folder / HOLDER, Holder))
    finally:
        os.close(descriptor)
    return False


def _check_is_file(path: Path) -> None:
    """See that a lock is a file, or not there: filelock says of a link no more than `Too many levels`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "not a file"
        raise StorageError(f"{path}: is {what}; expected the lock file, which lmctl makes itself: remove it")


def _may_write(path: Path) -> bool:
    """Whether the note of a holder may go there: nothing is there, or a note, or the beginning of one."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return True
    with path.open("rb") as file:
        # After a power cut, zeros may stand in the place of what was written last.
        return NOTE_START.startswith(file.read(len(NOTE_START)).rstrip(b"\0"))


def _note_holder(path: Path) -> None:
    """Say who holds the lock; written in its place, for a note that a kill cut off is as good as none."""
    holder = Holder(pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).isoformat("T", "seconds"))
    with files.named_in_errors(path), path.open("wb") as file:
        file.write(msgspec.json.encode(holder) + b"\n")


def _is_alive(holder: Holder | None) -> bool:
    """Whether the process that a note names may be running: it is, or it is on another host."""
    if holder is None:
        return False
    if holder.host != socket.gethostname():
        return True
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _describe(path: Path) -> str:
    # Between taking the lock and saying so is a moment.
    for _ in range(HOLDER_TRIES):
        holder = read_note(path, Holder)
        if holder is not None:
            return f"process {holder.pid} on {holder.host}, since {holder.since}"
        time.sleep(0.1)
    return "which does not say who it is"
