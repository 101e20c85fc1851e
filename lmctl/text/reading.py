"""Reading text: sources -> chunks of whole lines, or lines as they arrive.

Reading only finds line ends; decoding waits in `SourceChunk.text`, so that worker processes can share it. Only
encodings whose line end is not the single byte 0x0A (utf-16, utf-32) are decoded here, and passed on as UTF-8.
"""

from __future__ import annotations

import codecs
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.text.compression import decompressed
from lmctl.text.encodings import DECODE_ERRORS, NUL_MEANS, Transcoder, UndecodableError, resolve_encoding
from lmctl.text.limits import LONGEST_LINE_BYTES
from lmctl.text.line_ends import LineEnds
from lmctl.text.sources import STDIN, read_pieces, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BYTE_ORDER_MARKS = re.compile("^\ufeff+", re.MULTILINE)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SourceChunk:
    """Some whole lines of one source, not decoded yet; can be sent to a worker process.

    Attributes:
        source: name for messages: the path, or "standard input".
        content: the lines as bytes, in `encoding`.
        encoding: an encoding in which a line end is the byte 0x0A.
        errors: what an undecodable byte means: "strict" (an error), "replace" (U+FFFD), "skip" (left out).
        first_line: number of the first line, counted from 1.
        first_byte: offset of `content` in the decompressed source (of a source that the reader had to turn
            into UTF-8: in that UTF-8).
    """

    source: str
    content: bytes
    encoding: str
    errors: str
    first_line: int
    first_byte: int

    def text(self) -> str:
        r"""Decode the lines, CRLF as "\n".

        A byte order mark at a line's start is dropped: `cat` leaves some where it joins files.

        Raises:
            UndecodableError: a byte cannot be decoded, or is NUL, and `errors` is "strict".
        """
        text, bad = "", len(self.content)
        try:
            text = self.content.decode(self.encoding, DECODE_ERRORS[self.errors])
        except UnicodeDecodeError as error:
            bad = error.start
        nul = self.content.find(b"\0", 0, bad)
        if nul >= 0 and self.errors != "strict":
            text = text.replace("\0", NUL_MEANS[self.errors])
        elif nul >= 0 or bad < len(self.content):
            raise self._undecodable(nul if nul >= 0 else bad)
        if "\ufeff" in text:
            text = _BYTE_ORDER_MARKS.sub("", text)
        return text.replace("\r\n", "\n")

    def lines(self) -> list[str]:
        r"""Decode the lines as a list; only "\n" and CRLF end one here, unlike in `str.splitlines`.

        Raises:
            DataError: as `text`.
        """
        lines = self.text().split("\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def _undecodable(self, position: int) -> UndecodableError:
        """The error for a byte of `content`."""
        line = self.first_line + self.content.count(b"\n", 0, position)
        value = self.content[position] or None
        byte = self.first_byte + position
        return UndecodableError.at(self.source, line, byte, value, self.encoding, self.content)


def read_chunks(
    paths: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    chunk_bytes: int = 4 << 20,
    on_bytes: Callable[[str, bytes], None] | None = None,
    read: Callable[[str, str], Iterator[bytes]] = read_pieces,
) -> Iterator[SourceChunk]:
    """Read sources one after the other, in chunks of whole lines; no chunk spans two sources.

    A line longer than `LONGEST_LINE_BYTES` is cut into several, with one warning a source. Where lines
    are cut never depends on `chunk_bytes`.

    Args:
        paths: files, decompressed by suffix (.gz, .bz2, .xz), and "-" for standard input.
        encoding: any text encoding that Python knows.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        chunk_bytes: about how long a chunk is.
        on_bytes: called with the source's name and each piece of decompressed bytes, before its chunks.
        read: what the bytes of a path come from, with the source's name for messages.

    Raises:
        UsageError: `encoding` or `errors` is unknown.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path could not be read.
        DataError: a compressed file is damaged or cut off, or text in utf-16 or its like is not valid.
    """
    for path in paths:
        source = "standard input" if path == STDIN else path
        cutter = _ChunkCutter(source, encoding, errors, chunk_bytes)
        for piece in read(path, source):
            if on_bytes is not None:
                on_bytes(source, piece)
            yield from cutter.feed(piece)
        yield from cutter.finish()


def read_lines(path: str, *, encoding: str = "utf-8", errors: str = "strict") -> Iterator[str]:
    """Read the decoded lines of one source in constant memory.

    Raises:
        LmctlError: as `read_chunks` and `SourceChunk.text`.
    """
    for chunk in read_chunks([path], encoding=encoding, errors=errors):
        yield from chunk.lines()


class LineStream:
    """Lines of a pipe or terminal as they arrive: a writer that waits for its answer is never blocked.

    Iterating yields all complete lines that have arrived, at least one, and waits only when there is none.
    What follows the last line end is yielded at the end of file. Memory is bounded on an endless stream.

    Args:
        file_descriptor: what to read; stays open.
        source: name for messages.
        encoding: any text encoding that Python knows.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        read_bytes: the most bytes taken at once.

    Raises:
        UsageError: `encoding` or `errors` is unknown.
        StorageError: reading failed (while iterating).
        DataError: text is not valid (while iterating).
    """

    def __init__(
        self,
        file_descriptor: int,
        source: str,
        encoding: str = "utf-8",
        errors: str = "strict",
        read_bytes: int = 1 << 16,
    ) -> None:
        self._file_descriptor = file_descriptor
        self._source = source
        self._read_bytes = read_bytes
        self._cutter = _ChunkCutter(source, encoding, errors, LONGEST_LINE_BYTES)

    def __iter__(self) -> Iterator[list[str]]:
        for piece in decompressed(iter(self._read, b""), self._source, self._read_bytes):
            chunks = [*self._cutter.feed(piece), *self._cutter.flush()]
            if lines := [line for chunk in chunks for line in chunk.lines()]:
                yield lines
        if lines := [line for chunk in self._cutter.finish() for line in chunk.lines()]:
            yield lines

    def _read(self) -> bytes:
        try:
            return files.read_some(self._file_descriptor, self._read_bytes)
        except OSError as error:
            raise unreadable(self._source, error) from error


class _ChunkCutter:
    """Cuts the bytes of one source into chunks of whole lines, however they come in."""

    def __init__(self, source: str, encoding: str, errors: str, chunk_bytes: int) -> None:
        self._source = source
        self._encoding, self._errors, transcode = resolve_encoding(encoding, errors)
        self._transcoder = Transcoder(source, encoding, errors) if transcode else None
        # A chunk is never longer than the longest line, so only a line at its start can be too long.
        self._chunk_bytes = min(max(chunk_bytes, 1), LONGEST_LINE_BYTES)
        self._line_ends = LineEnds(source)
        self._buffer = bytearray()
        self._line = 1
        self._byte = 0
        self._warned = False

    def feed(self, piece: bytes) -> Iterator[SourceChunk]:
        """Take some bytes; yield the chunks that are full."""
        self._buffer += self._line_ends.feed(piece if self._transcoder is None else self._transcoder.feed(piece))
        while end := self._end_of_chunk():
            yield self._take(end)

    def flush(self) -> Iterator[SourceChunk]:
        """Yield the complete lines that have arrived."""
        if end := self._buffer.rfind(b"\n") + 1:
            yield self._take(end)

    def finish(self) -> Iterator[SourceChunk]:
        """Yield the rest, whose last line may lack its end."""
        if self._transcoder is not None:
            self._buffer += self._line_ends.feed(self._transcoder.feed(b"", final=True))
        self._buffer += self._line_ends.finish()
        while end := self._end_of_chunk() or len(self._buffer):
            yield self._take(end)
        self._line_ends.warn()

    def _end_of_chunk(self) -> int:
        """Where the buffer's first chunk ends; 0 as long as it is not full."""
        buffer = self._buffer
        if len(buffer) <= self._chunk_bytes:
            return 0
        end = buffer.rfind(b"\n", 0, self._chunk_bytes) + 1
        end = end or buffer.find(b"\n", self._chunk_bytes, LONGEST_LINE_BYTES + 1) + 1
        if not end and len(buffer) > LONGEST_LINE_BYTES:
            return self._cut_long_line()
        return end

    def _cut_long_line(self) -> int:
        """Where to cut a line that is too long: after its last blank, or else between two characters."""
        if not self._warned:
            self._warned = True
            _log.warning(
                "%s: line %d is longer than %d bytes; it is treated as several sentences",
                self._source,
                self._line,
                LONGEST_LINE_BYTES,
            )
        start = bytes(self._buffer[:LONGEST_LINE_BYTES])
        if end := max(start.rfind(b" "), start.rfind(b"\t")) + 1:
            return end
        decoder = codecs.getincrementaldecoder(self._encoding)("replace")
        decoder.decode(start)
        end = len(start) - len(decoder.getstate()[0])
        # Half a CRLF left behind would read as a blank line.
        if start[end - 1 : end] == b"\r":
            end -= 1
        return end or len(start)

    def _take(self, end: int) -> SourceChunk:
        content = bytes(self._buffer[:end])
        del self._buffer[:end]
        chunk = SourceChunk(self._source, content, self._encoding, self._errors, self._line, self._byte)
        self._line_ends.look_at(content, self._line)
        self._line += content.count(b"\n")
        self._byte += end
        return chunk
