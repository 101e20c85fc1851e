"""From the bytes of a source to chunks of its lines of text, for every format.

A text of lines is cut into chunks and not decoded (`source_chunks.ChunkCutter`). Records are decoded and unpacked
here, one after the other, into chunks in UTF-8 that have the line numbers of the source.
"""

from __future__ import annotations

import codecs
import logging
from array import array
from typing import TYPE_CHECKING, Protocol

from lmctl.errors import DataError
from lmctl.text.formats.json_lines import JsonLines
from lmctl.text.formats.recognition import LONGEST_START, recognised, suffix_of
from lmctl.text.formats.sentences import sentence_splitter
from lmctl.text.formats.subtitles import SUFFIXES, Subtitles
from lmctl.text.formats.tables import Table
from lmctl.text.source_chunks import ChunkCutter, SourceChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmctl.text.formats import TextFormat
    from lmctl.text.source_chunks import LongLines


_log = logging.getLogger(__name__)


class Unpacker(Protocol):
    """Takes the text out of the lines of one source."""

    def texts(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str]]:
        """Take the next lines; yield texts, each with the number of the line in which it begins."""
        ...

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield the rest at the end of the source."""
        ...


class _PlainLines:
    """The lines of a source are its texts."""

    def texts(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str]]:
        yield from enumerate(lines, start=first_line)

    def finish(self) -> Iterator[tuple[int, str]]:
        yield from ()


class ChunkReader:
    """Turns the bytes of one source into chunks of whole lines of text, by the format that it recognises.

    A text with line ends inside becomes several lines, and a paragraph a line for each of its sentences. One line
    end after a text is dropped.

    Args:
        source: name of the source for messages; its suffix may tell the format.
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        chunk_bytes: approximate length of a chunk.
        long_lines: treatment of overlong lines of text; an overlong line of records is refused.
        text_format: the settings; None: the source has lines of text in any case.
        warns: whether warnings about the text are logged.

    Raises:
        UsageError: `encoding` or `errors` is unknown, or a setting of the format is wrong.
    """

    def __init__(
        self,
        source: str,
        encoding: str,
        errors: str,
        chunk_bytes: int,
        long_lines: LongLines = "cut",
        text_format: TextFormat | None = None,
        *,
        warns: bool = True,
    ) -> None:
        self._source = source
        self._encoding = encoding
        self._errors = errors
        self._chunk_bytes = chunk_bytes
        self._warns = warns
        self._format = text_format
        # Replaced by another one if the source turns out to have records.
        self._cutter = ChunkCutter(source, encoding, errors, chunk_bytes, long_lines, warns=warns)
        self._unpacker: Unpacker | None = None
        self._is_decided = text_format is None
        self._start = b""
        self._lines = _Lines(source, errors)

    def has_records(self, piece: bytes) -> bool | None:
        """Take the first bytes of the source, and return whether its lines of text are other than its own lines.

        Returns:
            None: more bytes are needed. `feed` has to take all bytes again.
        """
        self._start += piece
        is_decided = self._decide(is_whole=len(self._start) >= LONGEST_START)
        if is_decided:
            self._start = b""
        return self.unpacks if is_decided else None

    @property
    def unpacks(self) -> bool:
        """Whether the lines of text are other than the lines of the source, as far as it is recognised."""
        return self._unpacker is not None

    def feed(self, piece: bytes) -> Iterator[SourceChunk]:
        """Take the next bytes of the source; yield full chunks.

        Raises:
            DataError: the format is not valid; the message has the line in the source.
        """
        if not self._is_decided:
            self._start += piece
            if not self._decide(is_whole=len(self._start) >= LONGEST_START):
                return
            piece, self._start = self._start, b""
        yield from self._unpacked(self._cutter.feed(piece))

    def flush(self) -> Iterator[SourceChunk]:
        """Yield the complete lines that have arrived as a chunk, if there are any.

        A program that waits for an answer to its first line gets it: this line decides the format.
        """
        if not self._is_decided and b"\n" in self._start:
            self._decide(is_whole=True)
            start, self._start = self._start, b""
            yield from self._unpacked(self._cutter.feed(start))
        yield from self._unpacked(self._cutter.flush())
        yield from self._lines.taken(1)

    def finish(self) -> Iterator[SourceChunk]:
        """Yield the rest at the end of the source."""
        if not self._is_decided:
            self._decide(is_whole=True)
            yield from self._unpacked(self._cutter.feed(self._start))
        yield from self._unpacked(self._cutter.finish())
        if self._unpacker is not None:
            self._lines.add(self._unpacker.finish())
            yield from self._lines.taken(1)

    def _decide(self, *, is_whole: bool) -> bool:
        """Recognise the format; False: more bytes are needed."""
        if self._is_decided or self._format is None:
            return True
        start = _decoded(self._start, self._encoding)
        kind = recognised(start, self._source, self._format, is_whole=is_whole)
        if kind is None:
            return False
        if kind == "json" and self._format.field is not None:
            self._unpacker = JsonLines(self._source, self._format.field, self._errors)
        elif kind == "table" and self._format.column is not None:
            self._unpacker = Table(self._source, self._format.column, suffix_of(self._source))
        elif kind == "subtitles":
            self._unpacker = Subtitles(self._source, start)
            if self._warns and suffix_of(self._source) not in SUFFIXES:
                _log.info("%s: has subtitles, by its first lines; their text alone is read", self._source)
        if self._unpacker is not None:
            self._cutter = ChunkCutter(
                self._source, self._encoding, self._errors, self._chunk_bytes, "refuse", warns=self._warns
            )
        if self._format.line == "paragraph":
            self._lines.split = sentence_splitter()
            self._unpacker = self._unpacker or _PlainLines()
        self._is_decided = True
        return True

    def _unpacked(self, chunks: Iterable[SourceChunk]) -> Iterator[SourceChunk]:
        if self._unpacker is None:
            yield from chunks
            return
        for chunk in chunks:
            self._lines.add(self._unpacker.texts(chunk.lines(), chunk.first_line))
            yield from self._lines.taken(self._chunk_bytes)


class _Lines:
    """Lines of text that are not in a chunk yet, with their line numbers in the source."""

    def __init__(self, source: str, errors: str) -> None:
        self._source = source
        self._errors = errors
        # Cuts a line into its sentences; None: a line is a sentence.
        self.split: Callable[[str], list[str]] | None = None
        self._content = bytearray()
        self._numbers = array("Q")

    def add(self, texts: Iterator[tuple[int, str]]) -> None:
        for number, text in texts:
            if "\0" in text and self._errors == "strict":
                raise DataError(
                    f"{self._source}: line {number}: a NUL character, which no text has; --errors skip leaves "
                    "NULs out, --errors replace puts U+FFFD"
                )
            lines = text.replace("\r\n", "\n").removesuffix("\n")
            if self.split is not None:
                lines = "\n".join("\n".join(self.split(line)) for line in lines.split("\n"))
            self._content += lines.encode()
            self._content += b"\n"
            self._numbers.extend([number] * (lines.count("\n") + 1))

    def taken(self, least: int) -> Iterator[SourceChunk]:
        """Yield all lines as a chunk if they have at least this number of bytes."""
        if len(self._content) >= least:
            content, numbers = bytes(self._content), self._numbers
            self._content, self._numbers = bytearray(), array("Q")
            yield SourceChunk(self._source, content, "utf-8", self._errors, numbers[0], 0, line_numbers=numbers)


def unpacked_start(
    pieces: Iterable[bytes],
    source: str,
    encoding: str,
    errors: str,
    text_format: TextFormat,
    wanted: int,
    *,
    are_all: bool = False,
) -> str | None:
    """Return the start of the text of records. No warning is logged, because the source will be read again.

    Args:
        pieces: the start of the source, or all of it.
        source: name of the source for messages.
        encoding: its encoding.
        errors: "strict", "replace" or "skip".
        text_format: the settings.
        wanted: number of bytes of text that are enough.
        are_all: whether the source ends with the pieces. If not, an incomplete record at their end is left out.

    Returns:
        The text; None: the source has no records.

    Raises:
        DataError: a record is not valid.
    """
    reader = ChunkReader(source, encoding, errors, wanted, text_format=text_format, warns=False)
    texts: list[str] = []
    found, has_records = 0, None
    held = b""
    for piece in pieces:
        held += piece
        if has_records is None:
            has_records = reader.has_records(piece)
        if has_records is None:
            continue
        if not has_records:
            return None
        for chunk in (*reader.feed(held), *reader.flush()):
            texts.append(chunk.text())
            found += len(chunk.content)
        held = b""
        if found >= wanted:
            break
    else:
        if are_all:
            texts += [chunk.text() for chunk in reader.finish()]
            has_records = reader.unpacks
    return "".join(texts) if has_records else None


def _decoded(start: bytes, encoding: str) -> str:
    """Decode the start of a source as far as possible."""
    try:
        return codecs.getincrementaldecoder(encoding)("ignore").decode(start).lstrip("\ufeff")
    except UnicodeError:  # UTF-16 or UTF-32 without a byte order mark, which is refused later
        return ""
