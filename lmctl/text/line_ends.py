r"""Line ends: LF and CRLF, and CR alone in a text without LF, as old Macs wrote it.

The first 64 KiB of a source decide. If they have a CR and no LF, every CR, LF and CRLF ends a line. Otherwise a CR
alone is white space, as in the progress bars of a log.
"""

from __future__ import annotations

import logging
import re

# The first bytes of a source decide. Their number does not depend on the size of its pieces.
DECIDING_BYTES = 1 << 16

_LONE = re.compile(rb"\r(?!\n)")
# A CR inside a line. CRCRLF, which converting a text twice gives, is one line end with white space before it.
_INSIDE = re.compile(rb"\r(?![\r\n]|\Z)")

_log = logging.getLogger(__name__)


class LineEnds:
    r"""Replaces CRs that end lines by LFs, so that every line of a source ends in LF or CRLF. No byte moves.

    Args:
        source: name of the source for messages.
        warns: whether warnings are logged.
    """

    def __init__(self, source: str, *, warns: bool = True) -> None:
        self._source = source
        self._warns = warns
        self._carriage_returns_end_lines: bool | None = None
        self._held = b""
        self._inside = 0
        self._first_inside = 0

    def feed(self, piece: bytes) -> bytes:
        """Take the next bytes of the source; return the bytes whose meaning is decided. Others follow later."""
        if self._carriage_returns_end_lines is None:
            self._held += piece
            deciding = self._held[:DECIDING_BYTES]
            if b"\n" not in deciding and len(self._held) < DECIDING_BYTES:
                return b""
            self._decide(deciding, at_end=False)
            piece, self._held = self._held, b""
        return self._with_line_feeds(piece) if self._carriage_returns_end_lines else piece

    def finish(self) -> bytes:
        """Return the remaining bytes at the end of the source."""
        if self._carriage_returns_end_lines is None:
            self._decide(self._held, at_end=True)
        rest, self._held = self._held, b""
        return rest.replace(b"\r", b"\n") if self._carriage_returns_end_lines else rest

    def count_inside(self, lines: bytes, first_line: int) -> None:
        """Count the CRs inside lines, for `warn`.

        Args:
            lines: whole lines.
            first_line: number of the first of them in the source, from 1.
        """
        # Lines with NUL bytes are UTF-16 that is read in another encoding.
        if b"\r" in lines and b"\0" not in lines and lines.count(b"\r") > lines.count(b"\r\n"):
            places = [found.start() for found in _INSIDE.finditer(lines)]
            if places and not self._inside:
                self._first_inside = first_line + lines.count(b"\n", 0, places[0])
            self._inside += len(places)

    def warn(self) -> None:
        """Log a warning if lines had CRs inside."""
        if self._inside and self._warns:
            _log.warning(
                "%s: line %d: a carriage return inside the line (%d in all); other lines end in LF, so it is "
                "taken for a blank (if it should end a line: tr '\\r' '\\n')",
                self._source,
                self._first_inside,
                self._inside,
            )

    def _decide(self, start: bytes, *, at_end: bool) -> None:
        # If the last byte is a CR, it may be the first half of CRLF.
        before_last = len(start) if at_end else len(start) - 1
        self._carriage_returns_end_lines = b"\n" not in start and start.find(b"\r", 0, before_last) >= 0
        if self._carriage_returns_end_lines and self._warns:
            _log.warning("%s: has carriage returns in place of line feeds; each ends a line", self._source)

    def _with_line_feeds(self, piece: bytes) -> bytes:
        piece = self._held + piece
        # If the last byte is a CR, it may be the first half of CRLF, so it is held back.
        self._held = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[: len(piece) - len(self._held)]
        return _LONE.sub(b"\n", piece) if b"\n" in piece else piece.replace(b"\r", b"\n")
