"""The lock of a model folder, so that only one run works on a model at a time.

It is a lock of the operating system, which releases it when the process ends in any way. The file holder.json
names the process for messages; only the lock decides.
"""

from __future__ import annotations

import contextlib
import errno
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

    from filelock import FileLock

# The first bytes of every holder.json that lmctl writes.
NOTE_START = b'{"pid":'

# Number of attempts to read holder.json, 0.1 seconds apart.
HOLDER_TRIES = 10
# `is_locked` holds the lock in shared mode for an instant. A run that starts at this instant tries again, so often
# at most. Tries are counted, because a busy machine may leave no time for a second one within a time limit.
TRIES, PAUSE_SECONDS = 200, 0.05
# Errors of flock on a file system that does not support it.
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)

LockPolicy = Literal["fail", "wait"]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that holds a lock; `since` is an ISO 8601 time in UTC."""

    pid: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    host: str
    since: str


@contextlib.contextmanager
def locked(folder: Path, policy: LockPolicy = "fail") -> Iterator[None]:
    """Hold the lock of a model folder.

    Args:
        folder: the model folder.
        policy: what to do if another process holds the lock. fail: raise at once. wait: wait for it.

    Raises:
        LockedError: another process holds the lock.
        StorageError: the lock file is a link, a folder or a pipe, or its file system has no locks.
        OSError: the folder cannot be written to.
    """
    lock = _acquired(folder, policy)
    note = folder / HOLDER
    is_ours = False
    try:
        is_ours = _may_write(note)
        if is_ours:
            # The note only informs: a full disk ends a run where it needs the disk, which undoes what it has done.
            with contextlib.suppress(OSError):
                _note_holder(note)
        yield
    finally:
        if is_ours:
            with contextlib.suppress(OSError):
                note.unlink()
        lock.release()


def _acquired(folder: Path, policy: LockPolicy) -> FileLock:
    """The lock of a folder, acquired; see `locked`."""
    # Deferred: queries take no lock.
    import filelock

    path = folder / LOCK
    _check_is_file(path)
    # Without flock, filelock would take the existence of the file for the lock, which outlives a killed process.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    for _ in range(TRIES):
        try:
            with files.named_in_errors(path):
                lock.acquire(blocking=policy == "wait")
        except filelock.Timeout:
            if is_locked(folder):
                break
            time.sleep(PAUSE_SECONDS)
        except FileNotFoundError:
            # An import that failed has removed the folder that it had made. The next attempt is made in a new one.
            files.make_folder(folder)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise StorageError(
                f"{path}: its file system has no locks ({error.strerror}), which keep two runs apart; name a "
                "folder on another file system"
            ) from error
        else:
            return lock
    raise LockedError(f"{folder}: another run holds its lock ({_describe(folder / HOLDER)}); try again later")


def is_locked(folder: Path) -> bool:
    """Return whether a process on this or another host holds the lock of a folder.

    The function takes the lock in shared mode (flock's LOCK_SH) for an instant. On a file system without such
    locks it reads holder.json in place of that; a run that was killed leaves that file behind, but no lock.
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
    """Refuse a lock file that is no regular file; the message of filelock for a link would be unclear."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        what = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "not a file"
        raise StorageError(f"{path}: is {what}; expected the lock file, which lmctl makes itself; remove it")


def _may_write(path: Path) -> bool:
    """Return whether holder.json may be written: it is missing, or is a file that lmctl wrote, perhaps in part."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
    except FileNotFoundError:
        return True
    with path.open("rb") as file:
        # After a power cut, zeros may replace the bytes that were written last.
        return NOTE_START.startswith(file.read(len(NOTE_START)).rstrip(b"\0"))


def _note_holder(path: Path) -> None:
    """Write holder.json. It is written in place, because readers ignore a file that a kill cut off."""
    holder = Holder(pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).isoformat("T", "seconds"))
    with path.open("wb") as file:
        file.write(msgspec.json.encode(holder) + b"\n")


def _is_alive(holder: Holder | None) -> bool:
    """Return whether the process in a holder.json may be running: it runs here, or it is on another host."""
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
    # The holder writes holder.json a moment after it takes the lock.
    for _ in range(HOLDER_TRIES):
        holder = read_note(path, Holder)
        if holder is not None:
            return f"process {holder.pid} on {holder.host}, since {holder.since}"
        time.sleep(0.1)
    return "its process is unknown"
