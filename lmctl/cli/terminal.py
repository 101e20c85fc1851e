"""Standard output and error on a terminal: control characters are shown as text, and are not executed."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, ClassVar

from lmctl.visible import visible

if TYPE_CHECKING:
    from typing import TextIO

# A message is one line of a log or a mail; a longer one is cut in the middle.
LONGEST_MESSAGE = 2000


def message_line(text: str) -> str:
    """Return a message as one line of limited length without control characters."""
    line = " ".join(visible(text).split())
    if len(line) <= LONGEST_MESSAGE:
        return line
    half = LONGEST_MESSAGE // 2
    return f"{line[:half]} ... {line[-half:]}"


class VisibleText(io.TextIOWrapper):
    """A text stream that writes control characters as visible escapes.

    Args:
        stream: the stream of the terminal; it stays open, so that rich can draw on it.

    Attributes:
        is_drawn_over: whether a progress line is being redrawn on the terminal.
    """

    is_drawn_over: ClassVar[bool] = False

    def __init__(self, stream: TextIO) -> None:
        super().__init__(
            stream.buffer,
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=bool(stream.line_buffering),
            write_through=getattr(stream, "write_through", False),
        )
        self.drawn_on = stream
        self._at_line_start = True

    def write(self, text: str) -> int:
        """Write a text, made visible."""
        # At the start of a line, the text replaces the progress line.
        clear = "\r\x1b[2K" if self.is_drawn_over and self._at_line_start and text and self.isatty() else ""
        super().write(clear + visible(text))
        self._at_line_start = text.endswith("\n") if text else self._at_line_start
        return len(text)


def show_control_characters() -> None:
    """Make standard error show control characters from now on, and standard output if it is a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout = VisibleText(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = VisibleText(sys.stderr)


def stream_to_draw_on(stream: TextIO) -> TextIO:
    """Flush a stream, and return the stream below it that sends control sequences, for rich to draw on."""
    if not isinstance(stream, VisibleText):
        return stream
    stream.flush()
    return stream.drawn_on
