"""Reading the bytes of files, compressed or not, and of standard input."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.errors import InputMissingError, LmctlError, StorageError, UsageError
from lmctl.text.compression import LONGEST_START, compression_of, decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

STDIN = "-"
_READ_BYTES = 1 << 20


def check_sources(paths: Sequence[str]) -> None:
    """Check that every path can be read, without opening any: a pipe that is opened and closed loses its data.

    Raises:
        UsageError: "-" is named more than once.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path may not be read.
    """
    if list(paths).count(STDIN) > 1:
        raise UsageError('standard input ("-") is named more than once; it can be read only once')
    for path in paths:
        if path == STDIN:
            continue
        try:
            if stat.S_ISDIR(Path(path).stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error


def size_of_text(path: str) -> int | None:
    """The number of bytes of the text in a file; None: unknown, as it is a pipe, compressed or unreadable."""
    try:
        there = Path(path).stat()
        if not stat.S_ISREG(there.st_mode):
            return None
        with Path(path).open("rb") as file:
            return None if compression_of(file.read(LONGEST_START)) else there.st_size
    except (OSError, ValueError):
        return None


def read_pieces(path: str, source: str, *, patience_seconds: float | None = None) -> Iterator[bytes]:
    """Read one source, decompressed, in pieces of at most `_READ_BYTES`.

    Args:
        path: a file, or "-" for standard input; gzip, bzip2, xz and zstd are recognised by their first bytes.
        source: name of the source for messages.
        patience_seconds: longest time to wait for the first bytes of a named pipe; None: no limit.

    Raises:
        InputMissingError: the path does not exist or is a folder.
        StorageError: the source could not be read, or nothing was written to a named pipe in time.
        DataError: the source is damaged or cut off, or not compressed as its suffix states.
        MissingExtraError: the source is in zstd, and the package that reads it is not installed.
    """
    raw = _read_raw(path, source, patience_seconds)
    return decompressed(raw, source, _READ_BYTES, is_file=path != STDIN)


def _read_raw(path: str, source: str, patience_seconds: float | None) -> Iterator[bytes]:
    """The bytes of a source, not decompressed, in pieces."""
    try:
        if patience_seconds is not None and _is_named_pipe(path):
            yield from _read_pipe(path, source, patience_seconds)
            return
        with _open(path) as stream:
            while piece := _read_some(stream):
                yield piece
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from error


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == STDIN:
        if sys.stdin is None:  # started with standard input closed
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return contextlib.nullcontext(sys.stdin.buffer)
    return Path(path).open("rb")


def _read_some(stream: BinaryIO) -> bytes:
    piece: bytes | None = stream.read(_READ_BYTES)
    # A read of a non-blocking standard input returns None if no bytes have arrived yet.
    return files.read_some(stream.fileno(), _READ_BYTES) if piece is None else piece


def _is_named_pipe(path: str) -> bool:
    """Whether a path is a pipe with a name in the file system. The pipe of a shell's `<(...)` has none."""
    return stat.S_ISFIFO(Path(path).stat().st_mode) and Path(path).resolve().exists()


def _read_pipe(path: str, source: str, patience_seconds: float) -> Iterator[bytes]:
    """The bytes of a named pipe, in pieces, if the first bytes are written in time."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        give_up = time.monotonic() + patience_seconds
        # Without a writer, a read returns no bytes. With a writer that has not written yet, it raises
        # BlockingIOError.
        with contextlib.suppress(BlockingIOError):
            while not (piece := os.read(descriptor, _READ_BYTES)):
                if time.monotonic() > give_up:
                    raise StorageError(
                        f"{source}: a named pipe; no program wrote to it for {patience_seconds:g} seconds"
                    )
                time.sleep(0.05)
            yield piece
        while piece := files.read_some(descriptor, _READ_BYTES):
            yield piece
    finally:
        os.close(descriptor)


def unreadable(source: str, error: OSError | ValueError) -> LmctlError:
    """Make the error for a source that the operating system could not open or read."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return InputMissingError(f"{source}: no such file")
        case IsADirectoryError():
            return InputMissingError(f"{source}: is a folder; expected a text file")
        case OSError():
            return StorageError(f"{source}: cannot be read: {error.strerror}")
    return StorageError(f"{source}: cannot be read: {error}")
