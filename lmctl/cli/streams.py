"""Standard streams: results are written whole or the command fails; a message that cannot be written ends no run.

Another process that has the same pipe or terminal open may have set O_NONBLOCK, which then holds for both
processes. Python's streams would drop bytes that cannot be written at once, and would take missing input for the
end of the input. The streams of this module wait instead, and do not change the flag.
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
    """Standard output, named in errors."""

    def write(self, content: Buffer, /) -> int:
        """Write all bytes, and return their number."""
        try:
            return files.write_all(self.fileno(), content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error


class _Messages(io.FileIO):
    """Standard error; bytes that cannot be written are dropped, so that a run does not fail by its messages."""

    def write(self, content: Buffer, /) -> int:
        """Write all bytes that can be written, and return the number of bytes given."""
        with contextlib.suppress(OSError):
            files.write_all(self.fileno(), content)
        return memoryview(content).nbytes


class _Input(io.FileIO):
    """Standard input; it waits for bytes that have not arrived yet."""

    def readinto(self, buffer: Buffer, /) -> int:
        """Read at least one byte, and return the number of bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        content = files.read_some(self.fileno(), len(view))
        view[: len(content)] = content
        return len(content)


def take_over_streams() -> None:
    """Replace the three streams of `sys`. A stream that was closed when the process started stays None.

    /dev/null is opened on the descriptors of closed streams. Otherwise a file that is opened later could get
    descriptor 2, and libraries would write their messages into it.
    """
    if sys.stdin is not None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Input(0, "r", closefd=False)), encoding="utf-8")
    if sys.stdout is not None:
        # python -u and PYTHONUNBUFFERED set write_through.
        sys.stdout = _results(unbuffered=getattr(sys.stdout, "write_through", False))
    if sys.stderr is not None:
        sys.stderr = messages_to(2)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            # open() takes the lowest free descriptor, which is this one. It is write-only: reading it is an error,
            # as reading a closed stream would be.
            os.open(os.devnull, os.O_WRONLY)


def messages_to(descriptor: int, *, closefd: bool = False) -> TextIO:
    """Make a text stream whose writing never fails.

    Args:
        descriptor: standard error, or a copy of it.
        closefd: whether closing the stream closes the descriptor.
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
        # A path that is not UTF-8 is written with the bytes that it has.
        errors="surrogateescape",
        line_buffering=raw.isatty(),
        write_through=unbuffered,
    )
