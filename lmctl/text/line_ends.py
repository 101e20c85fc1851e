r"""Line ends: LF and CRLF, or CR alone in a text that has no LF, as on old Macs.

The first 64 KiB of a source decide. If they have an LF, or no CR, a CR alone ends no line, however many there are:
it is white space, as in the progress bars of a log. Else every CR, LF and CRLF ends a line.
"""

from __future__ import annotations

import logging
import re

# Whatever the size of the pieces in which a source comes, this much of it decides.
DECIDING_BYTES = 1 << 16

_LONE = re.compile(rb"\r(?!\n)")
# A text that was converted twice has CRCRLF: one line end, with white space before it.
_INSIDE = re.compile(rb"\r(?![\r\n]|\Z)")

_log = logging.getLogger(__name__)


class LineEnds:
    r"""Turns the bytes of one source into bytes in which "\n" alone, or after CR, ends a line; no byte moves."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._carriage_returns_end_lines: bool | None = None
        self._held = b""
        self._inside = 0
        self._first_inside = 0

    def feed(self, piece: bytes) -> bytes:
        """Take some bytes; return those of which is known what they mean."""
        if self._carriage_returns_end_lines is None:
            self._held += piece
            deciding = self._held[:DECIDING_BYTES]
            if b"\n" not in deciding and len(self._held) < DECIDING_BYTES:
                return b""
            self._decide(deciding, at_end=False)
            piece, self._held = self._held, b""
        return self._with_line_feeds(piece) if self._carriage_returns_end_lines else piece

    def finish(self) -> bytes:
        """The rest."""
        if self._carriage_returns_end_lines is None:
            self._decide(self._held, at_end=True)
        rest, self._held = self._held, b""
        return rest.replace(b"\r", b"\n") if self._carriage_returns_end_lines else rest

    def look_at(self, lines: bytes, first_line: int) -> None:
        """Count the CRs inside of some whole lines."""
        # Bytes of UTF-16 that is read as something else are no CRs.
        if b"\r" in lines and b"\0" not in lines and lines.count(b"\r") > lines.count(b"\r\n"):
            places = [found.start() for found in _INSIDE.finditer(lines)]
            if places and not self._inside:
                self._first_inside = first_line + lines.count(b"\n", 0, places[0])
            self._inside += len(places)

    def warn(self) -> None:
        """Say that there were CRs inside of lines."""
        if self._inside:
            _log.warning(
                "%s: line %d: a carriage return inside the line (%d in all); other lines end in LF, so it is "
                "taken for a blank (if it should end a line: tr '\\r' '\\n')",
                self._source,
                self._first_inside,
                self._inside,
            )

    def _decide(self, start: bytes, *, at_end: bool) -> None:
        # A CR that is the last byte may be the first half of CRLF.
        before_last = len(start) if at_end else len(start) - 1
        self._carriage_returns_end_lines = b"\n" not in start and start.find(b"\r", 0, before_last) >= 0
        if self._carriage_returns_end_lines:
            _log.warning("%s: has carriage returns in place of line feeds; each ends a line", self._source)

    def _with_line_feeds(self, piece: bytes) -> bytes:
        piece = self._held + piece
        # The last CR may be half of CRLF.
        self._held = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[: len(piece) - len(self._held)]
        return _LONE.sub(b"\n", piece) if b"\n" in piece else piece.replace(b"\r", b"\n")
