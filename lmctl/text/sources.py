"""Reading the bytes of files, compressed or not, of standard input, and of texts at addresses.

All that lmctl asks about a source is asked here: whether it exists, how large it is, what it is called, whether
two names mean the same one. `lmctl.text.remote` answers for addresses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.errors import InputMissingError, LmctlError, StorageError, UsageError
from lmctl.text import remote
from lmctl.text.addresses import local_path, public_name
from lmctl.text.compression import LONGEST_START, compression_of, decompressed

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

STDIN = "-"
_READ_BYTES = 1 << 20


def source_name(path: str) -> str:
    """The name of a source in messages. That of an address has neither user nor query."""
    return "standard input" if path == STDIN else public_name(path)


def recorded_name(path: str) -> str:
    """The name of a source in records: "-", the public name of an address, or the absolute path of a file."""
    if path == STDIN:
        return STDIN
    local = local_path(path)
    return files.printable(public_name(path) if local is None else local.resolve())


def identity(path: str) -> Hashable | None:
    """A value that two names of the same file have in common; None: a pipe, or it is missing.

    Of a file, the device and the inode; of an address, its file system and its path there.
    """
    if path == STDIN:
        return None
    with contextlib.suppress(OSError, ValueError, LmctlError):
        if (local := local_path(path)) is None:
            return remote.identity(path)
        found = local.stat()
        return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
    return None


def check_sources(paths: Sequence[str]) -> None:
    """Check that every path can be read, without opening any: a pipe that is opened and closed loses its data.

    Raises:
        UsageError: "-" is named more than once, or an address has an unknown protocol.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path may not be read.
        MissingExtraError: a package that reads an address is not installed.
        UnavailableError: the store of an address does not answer.
    """
    if list(paths).count(STDIN) > 1:
        raise UsageError('standard input ("-") is named more than once; it can be read only once')
    for path in paths:
        if path == STDIN:
            continue
        if (local := local_path(path)) is None:
            remote.check(path)
            continue
        try:
            if stat.S_ISDIR(local.stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(local, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error


def size_of_text(path: str) -> int | None:
    """The number of bytes of the text in a file; None: unknown, as it is a pipe, compressed or unreadable."""
    with contextlib.suppress(LmctlError):
        if path != STDIN and can_seek(path) and not is_compressed(path):
            return stored_bytes(path)
    return None


def can_seek(path: str) -> bool:
    """Whether any place of a source can be read: it is a file, or an address whose server reads from any byte on.

    Raises:
        LmctlError: as `check_sources`.
    """
    if path == STDIN:
        return False
    if (local := local_path(path)) is None:
        return remote.can_seek(path)
    try:
        return stat.S_ISREG(local.stat().st_mode)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def stored_bytes(path: str) -> int:
    """The number of bytes of a source, compressed or not; 0: unknown, as of a pipe.

    Raises:
        LmctlError: as `check_sources`.
    """
    if path == STDIN:
        return 0
    if (local := local_path(path)) is None:
        return remote.size_of(path) or 0
    try:
        found = local.stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def is_compressed(path: str) -> bool:
    """Whether a source that can be read anywhere begins like one that is compressed.

    Raises:
        LmctlError: as `check_sources`.
    """
    return compression_of(read_places(path, [0], LONGEST_START)[0]) is not None


def read_places(path: str, offsets: Sequence[int], length: int) -> list[bytes]:
    """Read at most `length` bytes at each offset of a source that can be read anywhere, in rising order.

    Raises:
        LmctlError: as `check_sources`.
    """
    if (local := local_path(path)) is None:
        return remote.read_places(path, offsets, length)
    try:
        with local.open("rb") as file:
            places = []
            for offset in offsets:
                file.seek(offset)
                places.append(file.read(length))
            return places
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def read_pieces(path: str, source: str, *, patience_seconds: float | None = None) -> Iterator[bytes]:
    """Read one source, decompressed, in pieces of at most `_READ_BYTES`.

    Args:
        path: a file, an address, or "-" for standard input; gzip, bzip2, xz and zstd are recognised by their first
            bytes.
        source: name of the source for messages.
        patience_seconds: longest time to wait for the first bytes of a named pipe; None: no limit.

    Raises:
        InputMissingError: the path does not exist or is a folder.
        StorageError: the source could not be read or did not arrive whole, or nothing was written to a named pipe
            in time.
        UnavailableError: the store of an address does not answer.
        DataError: the source is damaged or cut off, or not compressed as its suffix states.
        MissingExtraError: the source is in zstd, and the package that reads it is not installed.
    """
    raw = _read_raw(path, source, patience_seconds)
    return decompressed(raw, source, _READ_BYTES, is_file=path != STDIN)


def _read_raw(path: str, source: str, patience_seconds: float | None) -> Iterator[bytes]:
    """The bytes of a source, not decompressed, in pieces."""
    local = local_path(path)
    if local is None:
        yield from remote.read(path)
        return
    try:
        if patience_seconds is not None and _is_named_pipe(local):
            yield from _read_pipe(local, source, patience_seconds)
            return
        with _open(path, local) as stream:
            while piece := _read_some(stream):
                yield piece
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from error


def _open(path: str, local: Path) -> AbstractContextManager[BinaryIO]:
    if path == STDIN:
        if sys.stdin is None:  # started with standard input closed
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return contextlib.nullcontext(sys.stdin.buffer)
    return local.open("rb")


def _read_some(stream: BinaryIO) -> bytes:
    piece: bytes | None = stream.read(_READ_BYTES)
    # A read of a non-blocking standard input returns None if no bytes have arrived yet.
    return files.read_some(stream.fileno(), _READ_BYTES) if piece is None else piece


def _is_named_pipe(path: Path) -> bool:
    """Whether a path is a pipe with a name in the file system. The pipe of a shell's `<(...)` has none."""
    return stat.S_ISFIFO(path.stat().st_mode) and path.resolve().exists()


def _read_pipe(path: Path, source: str, patience_seconds: float) -> Iterator[bytes]:
    """The bytes of a named pipe, in pieces, if the first bytes are written in time."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        give_up = time.monotonic() + patience_seconds
        # Without a writer, a read returns no bytes. With a writer that has not written yet, it raises
        # BlockingIOError.
        with contextlib.suppress(BlockingIOError):
            is_late = False
            while not (piece := os.read(descriptor, _READ_BYTES)):
                if is_late:
                    raise StorageError(
                        f"{source}: a named pipe; no program wrote to it for {patience_seconds:g} seconds"
                    )
                time.sleep(0.05)
                # Asked before the next look, so that bytes that came in time are found.
                is_late = time.monotonic() > give_up
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
