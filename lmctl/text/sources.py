"""Where text comes from: files, compressed or not, and standard input, as bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError, LmctlError, StorageError, UsageError

if TYPE_CHECKING:
    import bz2
    import gzip
    import lzma
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
    """Read one source, decompressed, in pieces of at most `_READ_BYTES`."""
    try:
        with _open(path) as stream:
            while piece := stream.read(_READ_BYTES):
                yield piece
    except _decompression_errors() as error:
        raise _damaged(source, error) from error
    except (OSError, ValueError) as error:
        # gzip and bz2 report bad data as an OSError that no system call made.
        if isinstance(error, OSError) and error.errno is None:
            raise _damaged(source, error) from error
        raise unreadable(source, error) from error


def _decompression_errors() -> tuple[type[Exception], ...]:
    """What damaged data makes the decompressors raise; looked up only when something is raised."""
    import lzma
    import zlib

    return EOFError, zlib.error, lzma.LZMAError


def _open(path: str) -> AbstractContextManager[BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]:
    # Imported where they are needed: a query that reads no compressed file should not wait for three libraries.
    if path == STDIN:
        if sys.stdin is None:  # started with standard input closed
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return contextlib.nullcontext(sys.stdin.buffer)
    match Path(path).suffix.lower():
        case ".gz":
            import gzip

            return gzip.open(path, "rb")
        case ".bz2":
            import bz2

            return bz2.open(path, "rb")
        case ".xz":
            import lzma

            return lzma.open(path, "rb")
    return Path(path).open("rb")


def _damaged(source: str, error: Exception) -> DataError:
    return DataError(f"{source}: damaged or cut off ({error}); compress or copy it again")


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
