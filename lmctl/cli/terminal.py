r"""Control characters in words, names and records: a terminal shows them as text and does not execute them.

A word of a corpus, the name of a file or a record in a foreign bundle may hold escape sequences. They could change
the title of a window, clear it, or type as if the user had. A terminal gets such a character as `\x1b`; a pipe or
a file gets the bytes.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing import TextIO

# C0 except TAB and line feed, DEL, C1, line and paragraph separators, overrides and isolates of the writing
# direction, and halves of surrogate pairs, by which Python represents bytes of a path that are not UTF-8.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# A message is one line of a log or a mail; a longer one is cut in the middle.
LONGEST_MESSAGE = 2000


def visible(text: str) -> str:
    r"""Return a text with `\x1b` for an escape, `\u202e` for an override, and so on; TABs and line feeds stay."""
    return _CONTROLS.sub(_escaped, text)


def message_line(text: str) -> str:
    """Return a message as one line of limited length without control characters."""
    line = " ".join(visible(text).split())
    if len(line) <= LONGEST_MESSAGE:
        return line
    half = LONGEST_MESSAGE // 2
    return f"{line[:half]} ... {line[-half:]}"


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        code -= 0xDC00
        return f"\\x{code:02x}"
    # JSON spells a character as \u and four digits, and has none below a blank: shown like this, it stays JSON.
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


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
