"""Cutting the bytes of a source into chunks of whole lines.

Cutting only finds line ends. `SourceChunk.text` decodes, so that worker processes can share this work. Only
encodings whose line end is not the single byte 0x0A (such as utf-16) are decoded here, and passed on as UTF-8.
"""

from __future__ import annotations

import codecs
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmctl.errors import DataError
from lmctl.text.encoding_guess import doubt
from lmctl.text.encodings import DECODE_ERRORS, NUL_MEANS, Transcoder, UndecodableError, resolve_encoding
from lmctl.text.limits import LONGEST_LINE_BYTES
from lmctl.text.line_ends import LineEnds

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

# Treatment of a line longer than `LONGEST_LINE_BYTES`: cut it into several lines, read only its end, or refuse it.
LongLines = Literal["cut", "end", "refuse"]

_BYTE_ORDER_MARKS = re.compile("^\ufeff+", re.MULTILINE)
# A byte order mark right before a word inside a line. `cat` leaves one if the previous file has no line end after
# its last line. A mark before a blank is a word or the end of a word: the vocabulary of WikiText-2 counts its 36
# marks.
_MARKS_INSIDE = re.compile("\ufeff+(?=[^\\s\ufeff])", re.ASCII)
# The pattern starts with the mark itself, which `re` finds quickly; what stands before it is checked then.
_MARK_INSIDE_UTF8 = re.compile(
    rb"\xef\xbb\xbf(?<=[^\n]\xef\xbb\xbf)(?<!\xef\xbb\xbf\xef\xbb\xbf)"
    rb"(?:\xef\xbb\xbf)*(?=[^\s\xef]|\xef(?!\xbb\xbf))"
)
_BLANK = re.compile(rb"[ \t]")
# Bytes of the end of a long line that are searched for a blank, so that the end starts with a whole word.
_LOOK_FOR_BLANK_BYTES = 1 << 16
_CONTINUATION_BYTES = bytes(range(0x80, 0xC0))
# As many as the longest sequence of bytes of an encoding that is not transcoded: eight, in euc_kr.
_LINE_ENDS = b"\n" * 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceChunk:
    """Whole lines of one source, not decoded yet. Can be sent to a worker process.

    Attributes:
        source: name of the source for messages: the path, or "standard input".
        content: the bytes of the lines, in `encoding`.
        encoding: an encoding in which a line end is the byte 0x0A.
        errors: treatment of an invalid byte: "strict" (an error), "replace" (U+FFFD), "skip" (left out).
        first_line: number of the first line, from 1.
        first_byte: offset of `content` in the decompressed source; if the source was transcoded, in its UTF-8.
        goes_on: whether `content` is a part of one overlong line, which continues in the next chunk.
        line_numbers: for each line of `content`, the number of the line of the source that it was taken from;
            None: the lines are those of the source, from `first_line` on.
    """

    source: str
    content: bytes
    encoding: str
    errors: str
    first_line: int
    first_byte: int
    goes_on: bool = False
    line_numbers: array[int] | None = None

    def line_number(self, place: int) -> int:
        """Return the number in the source, from 1, of a line of the chunk.

        Args:
            place: the place of the line in the chunk, from 0.
        """
        return self.first_line + place if self.line_numbers is None else self.line_numbers[place]

    def text(self) -> str:
        r"""Decode the lines. CRLF becomes "\n".

        A byte order mark at the start of a line is dropped: `cat` leaves some at the places where it joins files.
        A byte order mark right before a word inside a line becomes a blank, which separates the last word of a
        file from the first word of the next.

        Raises:
            UndecodableError: a byte cannot be decoded, or is NUL, and `errors` is "strict".
        """
        text, bad = "", len(self.content)
        try:
            text = self._decoded()
        except UnicodeDecodeError as error:
            bad = error.start
        nul = self.content.find(b"\0", 0, bad)
        if nul >= 0 and self.errors != "strict":
            text = text.replace("\0", NUL_MEANS[self.errors])
        elif nul >= 0 or bad < len(self.content):
            raise self._undecodable(nul if nul >= 0 else bad)
        if "\ufeff" in text:
            text = _MARKS_INSIDE.sub(" ", _BYTE_ORDER_MARKS.sub("", text))
        return text.replace("\r\n", "\n")

    def lines(self) -> list[str]:
        r"""Decode the lines as a list. Only "\n" and CRLF end a line, unlike in `str.splitlines`.

        Raises:
            DataError: as raised by `text`.
        """
        lines = self.text().split("\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def _decoded(self) -> str:
        """Decode the content. What becomes of an invalid byte does not depend on where the chunk ends."""
        if self.errors == "strict":
            return self.content.decode(self.encoding)
        # For gb18030 and EUC, Python takes all bytes after the start of a sequence that the end cuts off for one
        # invalid sequence, the line end among them.
        return (self.content + _LINE_ENDS).decode(self.encoding, DECODE_ERRORS[self.errors])[: -len(_LINE_ENDS)]

    def _undecodable(self, position: int) -> UndecodableError:
        """Make the error for the byte of `content` at a position."""
        line = self.line_number(self.content.count(b"\n", 0, position))
        value = self.content[position] or None
        byte = self.first_byte + position
        return UndecodableError.at(self.source, line, byte, value, self.encoding, self.content)


class ChunkCutter:
    """Cuts the bytes of one source into chunks of whole lines.

    The places at which an overlong line is cut depend on that line alone.

    Args:
        source: name of the source for messages.
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        chunk_bytes: approximate length of a chunk.
        long_lines: see `LongLines`.
        warns: whether warnings about the text are logged.

    Raises:
        UsageError: `encoding` or `errors` is unknown.
    """

    def __init__(
        self,
        source: str,
        encoding: str,
        errors: str,
        chunk_bytes: int,
        long_lines: LongLines = "cut",
        *,
        warns: bool = True,
    ) -> None:
        self._source = source
        self._encoding, self._errors, transcode = resolve_encoding(encoding, errors)
        self._transcoder = Transcoder(source, encoding, errors) if transcode else None
        # A chunk is never longer than the longest line, so only a line at its start can be too long.
        self._chunk_bytes = min(max(chunk_bytes, 1), LONGEST_LINE_BYTES)
        self._given_encoding = encoding
        self._looked_at = not warns
        self._long_lines = long_lines
        self._line_ends = LineEnds(source, warns=warns)
        self._buffer = bytearray()
        self._line = 1
        self._byte = 0
        self._warned = False
        self._marked = not warns

    def feed(self, piece: bytes) -> Iterator[SourceChunk]:
        """Take the next bytes of the source; yield full chunks."""
        if not self._looked_at:
            self._looked_at = True
            if remark := doubt(piece, self._given_encoding):
                _log.warning("%s: %s", self._source, remark)
        self._buffer += self._line_ends.feed(piece if self._transcoder is None else self._transcoder.feed(piece))
        while end := self._end_of_chunk():
            yield self._take(end)

    def flush(self) -> Iterator[SourceChunk]:
        """Yield the complete lines that have arrived as a chunk, if there are any."""
        if end := self._buffer.rfind(b"\n") + 1:
            yield self._take(end)

    def finish(self) -> Iterator[SourceChunk]:
        """Yield the rest at the end of the source. Its last line may have no line end."""
        if self._transcoder is not None:
            self._buffer += self._line_ends.feed(self._transcoder.feed(b"", final=True))
        self._buffer += self._line_ends.finish()
        while self._buffer:
            end = self._end_of_chunk()
            if not end:
                if len(self._buffer) > self._longest_line():
                    self._drop_start(len(self._buffer))
                end = len(self._buffer)
            yield self._take(end)
        self._line_ends.warn()

    def _end_of_chunk(self) -> int:
        """The place after the first chunk in the buffer; 0: the chunk is not full yet."""
        buffer = self._buffer
        if len(buffer) <= self._chunk_bytes:
            return 0
        end = buffer.rfind(b"\n", 0, self._chunk_bytes) + 1
        longest = self._longest_line()
        end = end or buffer.find(b"\n", self._chunk_bytes, longest + 1) + 1
        if end or len(buffer) <= longest:
            return end
        if self._long_lines == "refuse":
            raise DataError(f"{self._source}: line {self._line}: longer than {LONGEST_LINE_BYTES} bytes")
        if not self._warned:
            self._warned = True
            _log.warning(
                "%s: line %d is longer than %d bytes; %s",
                self._source,
                self._line,
                LONGEST_LINE_BYTES,
                "it is treated as several sentences" if self._long_lines == "cut" else "only its end is read",
            )
        return self._cut_long_line() if self._long_lines == "cut" else self._find_its_end()

    def _longest_line(self) -> int:
        """The most bytes before the LF of the first line: the CR of CRLF belongs to the line end."""
        return LONGEST_LINE_BYTES + self._buffer.startswith(b"\r", LONGEST_LINE_BYTES)

    def _find_its_end(self) -> int:
        """Drop the start of the overlong first line.

        Returns:
            The place after the line in the buffer; 0: its end has not arrived yet.
        """
        end = self._buffer.find(b"\n", LONGEST_LINE_BYTES)
        if end >= 0:
            return end + 1 - self._drop_start(end - self._buffer.endswith(b"\r", 0, end))
        if len(self._buffer) > 2 * LONGEST_LINE_BYTES:
            # Two bytes more than the longest line are kept, so that it is still overlong with a CR at its end.
            self._drop(len(self._buffer) - LONGEST_LINE_BYTES - 2)
        return 0

    def _drop_start(self, end: int) -> int:
        """Drop all but the end of a line, which starts after a blank or at a whole character.

        Args:
            end: the place of the line end, CRLF or LF, in the buffer.

        Returns:
            The number of bytes dropped.
        """
        start = end - LONGEST_LINE_BYTES
        if blank := _BLANK.search(self._buffer, start, min(start + _LOOK_FOR_BLANK_BYTES, end)):
            start = blank.end()
        else:
            head = bytes(self._buffer[start : start + 4])
            start += len(head) - len(head.lstrip(_CONTINUATION_BYTES)) if self._encoding == "utf-8" else 0
        self._drop(start)
        return start

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._byte += count

    def _cut_long_line(self) -> int:
        """The place to cut an overlong line: after its last blank, or if there is none, between two characters."""
        start = bytes(self._buffer[:LONGEST_LINE_BYTES])
        if end := max(start.rfind(b" "), start.rfind(b"\t")) + 1:
            return end
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        decoder.decode(start)
        end = len(start) - len(decoder.getstate()[0])
        # A LF without its CR would read as an empty line of its own.
        if start[end - 1 : end] == b"\r":
            end -= 1
        return end or len(start)

    def _take(self, end: int) -> SourceChunk:
        content = bytes(self._buffer[:end])
        del self._buffer[:end]
        goes_on = bool(self._buffer) and not content.endswith(b"\n")
        chunk = SourceChunk(self._source, content, self._encoding, self._errors, self._line, self._byte, goes_on)
        self._line_ends.count_inside(content, self._line)
        self._warn_of_mark(content)
        self._line += content.count(b"\n")
        self._byte += end
        return chunk

    def _warn_of_mark(self, lines: bytes) -> None:
        """Log a warning, once for the source, if a byte order mark stands inside a line."""
        # Searching for bytes is much faster than the regular expression.
        if self._marked or self._encoding != "utf-8" or codecs.BOM_UTF8 not in lines:
            return
        mark = _MARK_INSIDE_UTF8.search(lines)
        if mark is None:
            return
        self._marked = True
        _log.warning(
            "%s: line %d: a byte order mark before a word inside the line, which is taken for a blank; if files "
            "were joined there, the one before lacks its last line end",
            self._source,
            self._line + lines.count(b"\n", 0, mark.start()),
        )
