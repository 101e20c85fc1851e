"""Reads files that other programs may have written: only a regular file is opened, and none that is too large.

A FIFO would let its reader wait for ever, a device has no end, and a link leads out of the folder that was meant.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lmctl.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

T = TypeVar("T")

# Records hold figures and names; the longest one names each of a hundred thousand input files.
LARGEST_RECORD_BYTES = 16 << 20

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of(mode: int) -> str:
    """What stands where a file belongs, in words, by its `st_mode`."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "a file")


def open_regular(path: Path, *, follow_links: bool = False) -> BinaryIO:
    """Open a file for reading; anything that is no regular file is refused before it is opened.

    Args:
        path: of the file.
        follow_links: whether `path` itself may be a link to a regular file.

    Raises:
        FileNotFoundError: there is nothing, or the link leads nowhere.
        DataError: there is something else than a file.
        OSError: it cannot be opened.
    """
    try:
        found = path.stat() if follow_links else path.lstat()
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    _check_mode(path, found.st_mode)
    # Should it have been replaced since: not followed, and not waited for.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_mode(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def check_regular(path: Path) -> None:
    """See that a file is one, without opening it.

    Raises:
        FileNotFoundError: there is nothing.
        DataError: there is something else than a file.
    """
    _check_mode(path, path.lstat().st_mode)


def read_regular(path: Path, most_bytes: int = LARGEST_RECORD_BYTES, *, follow_links: bool = False) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        FileNotFoundError: there is nothing, or the link leads nowhere.
        DataError: there is something else than a file, or it is larger; by name.
        OSError: it cannot be read.
    """
    with open_regular(path, follow_links=follow_links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise DataError(f"{path}: {size:,} bytes; expected at most {most_bytes:,}")
        # read() allocates what it is asked for.
        content = file.read(size + 1)
    if len(content) > size:
        raise DataError(f"{path}: it grows while it is read")
    return content


def decode_record(content: bytes, kind: type[T], where: str) -> T:
    """JSON as a struct.

    Args:
        content: the JSON.
        kind: the struct; what it says of its fields is checked.
        where: what messages call it.

    Raises:
        DataError: it is no JSON, is nested without end, or does not have the fields; in a line.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise DataError(f"{where}: damaged; it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: damaged; {shortened(str(error))}") from error


def shortened(text: str, longest: int = 120) -> str:
    """Text that a file holds, for a message: not more than so many characters of it."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: expected a file, got {kind_of(mode)}")


# What file systems allow of each part of a path.
LONGEST_NAME = 255


def is_inside(name: str) -> bool:
    """Whether a relative path, parts parted by `/`, stays inside the folder that it is relative to.

    Parts that a file system, a shell or another system could take for something else are refused: empty ones, `.`
    and `..`, backslashes, control characters, halves of surrogate pairs.
    """
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in name or not name.isprintable():
        return False
    return all(len(part.encode("utf-8", "surrogatepass")) <= LONGEST_NAME for part in parts) and len(parts) <= 40
