"""Writes files and folders so that a kill or a power cut does not damage them, and writes to pipes completely.

A file is written under another name in the same folder, flushed, synced and renamed. A kill or a power cut at any
instant leaves either the old file or the new one, never a part. `make_folder` makes a folder that survives a power
cut. `sync_tree` syncs a whole tree before a link or a name leads to it. tests/faults/power.py lists the guarantees
that are assumed of a file system.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import select
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lmctl import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

# Bytes of the name of a file that the name of its unfinished form has. File systems allow 255 bytes, or fewer.
LONGEST_BEGINNING = 100


@contextlib.contextmanager
def written_whole(path: Path, beside: Path | None = None) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its place at `path` only when the block ends without an error.

    A pipe or a device (/dev/stdout) is written to and never replaced. With `beside`, which only lmctl's own files
    use, it is refused, because a pipe in a model folder has no reader.

    Args:
        path: the final path of the file.
        beside: the folder of the unfinished file, on the same file system; by default the folder of `path`.

    Yields:
        A file that is readable, writable and seekable.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full; `path` is unchanged.
    """
    # Imported here, because a query writes no files and must start fast.
    import tempfile

    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        if beside is not None:
            raise FileExistsError(errno.EEXIST, "no file is there, but a pipe, a socket or a device", str(path))
        with named_in_errors(path), path.open("wb") as file:
            yield file
        return
    try:
        # The name may be as long as the file system allows, so the temporary one has only the beginning of it.
        beginning = os.fsdecode(os.fsencode(path.name)[:LONGEST_BEGINNING])
        descriptor, temporary = tempfile.mkstemp(prefix=f".{beginning}.", dir=beside or path.parent)
    except OSError as error:
        # The caller has not chosen the temporary name, so the error names `path`.
        error.filename = str(path)
        raise
    unfinished = Path(temporary)
    try:
        with named_in_errors(path), os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        # The removal may fail for the same reason. The caller gets the first error.
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def named_in_errors(path: Path) -> Iterator[None]:
    """Add `path` to an OSError of the block that names no file: the error of a full disk does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def check_writable(path: Path) -> None:
    """Check that a file can be written to `path`, before the work whose result it will hold.

    Raises:
        OSError: it cannot be written.
    """
    # A pipe is not opened: its reader would take the close for the end of the data.
    if path.exists() and not path.is_file() and not path.is_dir():
        return
    with contextlib.suppress(_NotYetError), written_whole(path):
        raise _NotYetError


def describe(error: Exception) -> str:
    """An error in one line: of an OSError the path and the reason, of another error its message.

    If a folder above the path is the reason, it is named.
    """
    if not isinstance(error, OSError):
        return str(error)
    if not isinstance(error.filename, str | bytes | os.PathLike):
        return str(error.strerror or error)
    path = Path(os.fsdecode(error.filename))
    folders = [folder for folder in path.parents if os.path.lexists(folder)]
    if error.errno == errno.ENOENT and path.parent not in folders:
        reason = f"there is no folder {path.parent}; make it first"
    elif error.errno == errno.ENOTDIR and folders and not folders[0].is_dir():
        reason = f"{folders[0]} is not a folder; name another path"
    elif error.errno == errno.EISDIR:
        reason = "is a folder; name a file"
    else:
        reason = str(error.strerror or error)
    return f"{path}: {reason}"


class _NotYetError(Exception):
    """Ends the check of `check_writable` before a file is written."""


def write_bytes(path: Path, content: bytes, beside: Path | None = None) -> None:
    """Write `content` to `path`, whole or not at all; `beside` as in `written_whole`."""
    with written_whole(path, beside) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename survives a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with named_in_errors(folder):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents durably; do nothing if it exists.

    Raises:
        OSError: the folder cannot be made, or is a file.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_tree(folder: Path) -> None:
    """Make a folder durable with all files and folders in it, but not its own name in its parent."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            sync_tree(path)
        else:
            with named_in_errors(path), path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


# Files are copied and hashed in pieces of this size.
PIECE_BYTES = 16 << 20


def printable(path: str | os.PathLike[str]) -> str:
    r"""Return a path as text that can be stored: bytes that are not UTF-8 become escapes such as \xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with named_in_errors(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for done, piece in _pieces(file):
            digest.update(piece)
            progress.tell(f"checking {path.name}", done, size)
    return digest.hexdigest()


def copy_content(source: Path, target: IO[bytes]) -> None:
    """Write a file's content to an open file."""
    with named_in_errors(source), source.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for done, piece in _pieces(file):
            target.write(piece)
            progress.tell(f"copying {source.name}", done, size)


def _pieces(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the content of a file in pieces, each with the number of bytes up to its end."""
    done = 0
    while piece := file.read(PIECE_BYTES):
        done += len(piece)
        yield done, piece


def _umask() -> int:
    """Return the umask: permission bits that new files do not get. mkstemp ignores it and uses 0600."""
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def write_all(descriptor: int, content: Buffer) -> int:
    """Write all bytes to an open descriptor, also if it is non-blocking, and return their number.

    Raises:
        OSError: it cannot be written; a part may have been written.
    """
    view = memoryview(content).cast("B")
    done = 0
    while done < len(view):
        try:
            done += os.write(descriptor, view[done:])
        except BlockingIOError:
            _wait(descriptor, select.POLLOUT)
    return done


def read_some(descriptor: int, most_bytes: int) -> bytes:
    """Read the available bytes of an open descriptor, also if it is non-blocking; no bytes at the end.

    Raises:
        OSError: it cannot be read.
    """
    while True:
        try:
            return os.read(descriptor, most_bytes)
        except BlockingIOError:
            _wait(descriptor, select.POLLIN)


def _wait(descriptor: int, event: int) -> None:
    """Wait until a descriptor can be written to or read from, or its other side is closed."""
    poll = select.poll()
    poll.register(descriptor, event)
    poll.poll()
