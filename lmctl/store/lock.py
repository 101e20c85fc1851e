"""One run a model: a lock of the operating system, gone with the process that holds it, however it ends.

Who holds it stands in another file, which only explains: what counts is the lock.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from lmctl.errors import LockedError
from lmctl.store.notes import read_note, write_note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK, HOLDER = "lock", "holder.json"

# Tenths of a second to wait for the holder to say who it is.
MOMENTS = 10

LockPolicy = Literal["fail", "wait"]


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a lock; `since` is an ISO 8601 time in UTC."""

    pid: int
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
        OSError: the folder cannot be written to.
    """
    # Deferred: queries take no lock.
    import filelock

    lock = filelock.FileLock(folder / LOCK, timeout=-1 if policy == "wait" else 0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LockedError(
            f"{folder}: another run holds its lock ({_describe(folder / HOLDER)}); try again later"
        ) from None
    try:
        holder = Holder(
            pid=os.getpid(), host=socket.gethostname(), since=datetime.now(UTC).isoformat("T", "seconds")
        )
        write_note(folder / HOLDER, holder)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / HOLDER).unlink()
        lock.release()


def find_holder(folder: Path) -> Holder | None:
    """Who holds the lock of a model's folder, as far as it says; taking the lock to find out might refuse a run.

    A process of this host that was killed left its note behind: it holds nothing.
    """
    holder = read_note(folder / HOLDER, Holder)
    if holder is None or holder.host != socket.gethostname():
        return holder
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return holder


def _describe(path: Path) -> str:
    # Between taking the lock and saying so is a moment.
    for _ in range(MOMENTS):
        holder = read_note(path, Holder)
        if holder is not None:
            return f"process {holder.pid} on {holder.host}, since {holder.since}"
        time.sleep(0.1)
    return "which does not say who it is"
