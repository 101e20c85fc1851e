"""Where text comes from: files, compressed or not, and standard input, as bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import InputMissingError, LmctlError, StorageError, UsageError
from lmctl.text.compression import decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

STDIN = "-"
_READ_BYTES = 1 << 20


def check_sources(paths: Sequence[str]) -> None:
    """Check that every path could be read, without opening one: a pipe loses nothing.

    Raises:
        UsageError: "-" stands more than once.
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


def read_pieces(path: str, source: str) -> Iterator[bytes]:
    """Read one source, decompressed, in pieces of at most `_READ_BYTES`.

    Args:
        path: a file, or "-" for standard input; gzip, bzip2 and xz are known by their first bytes.
        source: its name for messages.

    Raises:
        InputMissingError: the path does not exist or is a folder.
        StorageError: it could not be read.
        DataError: it is damaged or cut off, or not compressed as its name says.
    """
    return decompressed(_read_raw(path, source), source, _READ_BYTES, is_file=path != STDIN)


def _read_raw(path: str, source: str) -> Iterator[bytes]:
    """The bytes of a source as they are, in pieces."""
    try:
        with _open(path) as stream:
            while piece := stream.read(_READ_BYTES):
                yield piece
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from error


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == STDIN:
        if sys.stdin is None:  # started with standard input closed
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return contextlib.nullcontext(sys.stdin.buffer)
    return Path(path).open("rb")


def unreadable(source: str, error: OSError | ValueError) -> LmctlError:
    """What to raise for a source that the system does not let us read."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return InputMissingError(f"{source}: no such file")
        case IsADirectoryError():
            return InputMissingError(f"{source}: is a folder; expected a text file")
        case OSError():
            return StorageError(f"{source}: cannot be read: {error.strerror}")
    return StorageError(f"{source}: cannot be read: {error}")
