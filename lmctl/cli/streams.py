"""The standard streams: results arrive whole or the command fails, and messages never end a run.

Another process that holds the same pipe or terminal may have set O_NONBLOCK, which belongs to the open file and so
to both. Python's own streams then leave out what does not fit at once, and take "nothing yet" for the end of the
input. These wait, and leave the flag as it is.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from lmctl import files

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _Results(io.FileIO):
    """Standard output: an error names it."""

    def write(self, content: Buffer, /) -> int:
        """Write everything; returns the number of bytes."""
        try:
            return files.write_all(self.fileno(), content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error


class _Messages(io.FileIO):
    """Standard error: what cannot be written is dropped, for how a run ends does not hang on its messages."""

    def write(self, content: Buffer, /) -> int:
        """Write everything, or as much as can be written; returns the number of bytes given."""
        with contextlib.suppress(OSError):
            files.write_all(self.fileno(), content)
        return memoryview(content).nbytes


class _Input(io.FileIO):
    """Standard input: that nothing has come yet is not its end."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Read at least a byte; returns how many, 0 at the end."""
        view = memoryview(buffer).cast("B")
        content = files.read_some(self.fileno(), len(view))
        view[: len(content)] = content
        return len(content)


def take_over_streams() -> None:
    """Replace the three streams of `sys`; one that was closed at the start stays None.

    The descriptors of those are taken by /dev/null: a file that is opened later must not get descriptor 2, which
    libraries write their messages to.
    """
    if sys.stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Input(0, "r", closefd=False)), encoding="utf-8")
    if sys.stdout is not None:
        # python -u and PYTHONUNBUFFERED ask for it.
        sys.stdout = _results(unbuffered=getattr(sys.stdout, "write_through", False))
    if sys.stderr is not None:
        sys.stderr = messages_to(2)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            # The lowest free descriptor is this one. Reading from it is the error that reading from none is.
            os.open(os.devnull, os.O_WRONLY)


def messages_to(descriptor: int, *, closefd: bool = False) -> TextIO:
    """A stream of text whose writing never fails.

    Args:
        descriptor: of standard error, or a copy of it.
        closefd: whether closing the stream closes it.
    """
    return io.TextIOWrapper(
        io.BufferedWriter(_Messages(descriptor, "w", closefd=closefd)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _results(unbuffered: bool) -> TextIO:
    raw = _Results(1, "w", closefd=False)
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding="utf-8",
        # A path that is not UTF-8 comes out byte for byte as it came in.
        errors="surrogateescape",
        line_buffering=raw.isatty(),
        write_through=unbuffered,
    )
