r"""What a terminal is shown: control characters of words, names and records as text, never obeyed.

A word of a corpus, a file's name or a record of somebody else's bundle may hold escape sequences, which can
retitle a window, clear it, or type on the user's behalf. A terminal gets them as `\x1b`; a pipe or a file gets the
bytes.
"""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing import TextIO

# C0 but TAB and line feed, DEL, C1, line and paragraph separators, overrides and isolates of the writing
# direction, and halves of surrogate pairs: bytes of a path that are not UTF-8 are such halves in Python.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# A message is one line of a log or a mail: what quotes a longer text than this is cut in the middle.
LONGEST_MESSAGE = 2000


def visible(text: str) -> str:
    r"""Text with `\x1b` for an escape, `\u202e` for an override, and so on; TABs and line feeds stay."""
    return _OBEYED.sub(_escaped, text)


def message_line(text: str) -> str:
    """A message as one line that can be shown anywhere, and is not endless."""
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
    # JSON's own spelling where it has none of its own: what it encodes has no character below a blank.
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


class VisibleText(io.TextIOWrapper):
    """A text stream that shows control characters in place of sending them.

    Args:
        stream: the stream of the terminal; it stays open for those who draw on it.

    Attributes:
        is_drawn_over: whether a line is redrawn on the terminal now and then.
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
        """Write what `visible` makes of a text."""
        # At a line's start, in the place of what is drawn there.
        clear = "\r\x1b[2K" if self.is_drawn_over and self._at_line_start and text and self.isatty() else ""
        super().write(clear + visible(text))
        self._at_line_start = text.endswith("\n") if text else self._at_line_start
        return len(text)


def show_control_characters() -> None:
    """From now on: standard error shows control characters, and so does standard output on a terminal."""
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout = VisibleText(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = VisibleText(sys.stderr)


def stream_to_draw_on(stream: TextIO) -> TextIO:
    """The stream itself, for what sends sequences of its own; what has been written to it stands before."""
    if not isinstance(stream, VisibleText):
        return stream
    stream.flush()
    return stream.drawn_on
