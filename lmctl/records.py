"""Reads files that other programs may have written. Only regular files of limited size are read.

A named pipe would make its reader wait for ever, a device has no end, and a link may lead out of the folder.
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

# Records hold figures and names. The longest one names a hundred thousand input files.
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
    """Return the kind of a file in words, from its `st_mode`."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "a file")


def open_regular(path: Path, *, follow_links: bool = False) -> BinaryIO:
    """Open a regular file for reading; other kinds of files are refused before they are opened.

    Args:
        path: of the file.
        follow_links: whether `path` itself may be a link to a regular file.

    Raises:
        FileNotFoundError: the file is missing, or the link leads nowhere.
        DataError: it is not a regular file.
        OSError: it cannot be opened.
    """
    try:
        found = path.stat() if follow_links else path.lstat()
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    _check_mode(path, found.st_mode)
    # If the file was replaced since, these flags neither follow a link nor wait for a pipe.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_links else os.O_NOFOLLOW)
    file = os.fdopen(os.open(path, flags), "rb")
    try:
        _check_mode(path, os.fstat(file.fileno()).st_mode)
    except BaseException:
        file.close()
        raise
    return file


def check_regular(path: Path) -> None:
    """Check that a path is a regular file, without opening it.

    Raises:
        FileNotFoundError: the file is missing.
        DataError: it is not a regular file.
    """
    _check_mode(path, path.lstat().st_mode)


def read_regular(path: Path, most_bytes: int = LARGEST_RECORD_BYTES, *, follow_links: bool = False) -> bytes:
    """Return the content of a regular file of at most `most_bytes`.

    Raises:
        FileNotFoundError: the file is missing, or the link leads nowhere.
        DataError: it is not a regular file, or is larger.
        OSError: it cannot be read.
    """
    with open_regular(path, follow_links=follow_links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise DataError(f"{path}: {size:,} bytes; expected at most {most_bytes:,}")
        # read() allocates the requested size at once.
        content = file.read(size + 1)
    if len(content) > size:
        raise DataError(f"{path}: it grows while it is read")
    return content


def decode_record(content: bytes, kind: type[T], where: str) -> T:
    """Decode JSON into a struct, and check types and ranges.

    Args:
        content: the JSON.
        kind: the type of the struct.
        where: name of the record in messages.

    Raises:
        DataError: the content is not JSON, is nested too deeply, or does not fit the struct.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise DataError(f"{where}: damaged; it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: damaged; {shortened(str(error))}") from error


def shortened(text: str, longest: int = 120) -> str:
    """Return text for a message, cut after `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DataError(f"{path}: expected a file, got {kind_of(mode)}")


# Longest name that file systems allow for each part of a path, in bytes.
LONGEST_NAME = 255


def is_inside(name: str) -> bool:
    """Return whether a relative path with `/` between its parts stays inside its folder.

    Parts that other systems may read in another way are refused: empty parts, `.` and `..`, backslashes, control
    characters, halves of surrogate pairs.
    """
    parts = name.split("/")
    if not all(parts) or {".", ".."} & set(parts) or "\\" in name or not name.isprintable():
        return False
    return all(len(part.encode("utf-8", "surrogatepass")) <= LONGEST_NAME for part in parts) and len(parts) <= 40
