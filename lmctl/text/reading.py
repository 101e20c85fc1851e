"""Reading text: paths, "-", .gz, .bz2 and .xz -> chunks of whole lines, and where a bad byte stands.

Reading only finds line ends; decoding waits in `SourceChunk.text`, so that worker processes can share it. Only
encodings whose line end is not the single byte 0x0A (utf-16, utf-32) are decoded here, and passed on as UTF-8.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import logging
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError, LmctlError, StorageError, UsageError

if TYPE_CHECKING:
    import bz2
    import gzip
    import lzma
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

STDIN = "-"
LONGEST_LINE_BYTES = 16 << 20
_READ_BYTES = 1 << 20

_DECODE_ERRORS = {"strict": "strict", "replace": "replace", "skip": "ignore"}
# Codecs for identifiers and literals: they may yield line ends or lone surrogates from plain letters.
_NOT_FOR_FILES = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}

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
        r"""Decode the lines, without a byte order mark at the start of the source, CRLF as "\n".

        Raises:
            DataError: a byte cannot be decoded and `errors` is "strict", or a character is NUL.
        """
        text, bad = "", len(self.content)
        try:
            text = self.content.decode(self.encoding, _DECODE_ERRORS[self.errors])
        except UnicodeDecodeError as error:
            bad = error.start
        nul = self.content.find(b"\0", 0, bad)
        if nul >= 0:
            raise _nul(self.source, *self._place(nul))
        if bad < len(self.content):
            raise _undecodable(self.source, *self._place(bad), self.encoding, self.content[bad])
        if self.first_byte == 0:
            text = text.removeprefix("\ufeff")
        return text.replace("\r\n", "\n")

    def lines(self) -> list[str]:
        r"""Decode the lines as a list; only "\n" and CRLF end a line, unlike in `str.splitlines`.

        Raises:
            DataError: as `text`.
        """
        lines = self.text().split("\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def _place(self, position: int) -> tuple[int, int]:
        """Line and byte in the source of a byte of `content`."""
        return self.first_line + self.content.count(b"\n", 0, position), self.first_byte + position


def check_sources(paths: Sequence[str]) -> None:
    """Check that every path could be read, without opening one: a pipe loses nothing.

    Raises:
        UsageError: "-" stands more than once.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path may not be read.
    """
    if list(paths).count(STDIN) > 1:
        raise UsageError('standard input ("-") is named more than once; it can be read only once')
    for path in paths:
        if path == STDIN:
            continue
        try:
            if stat.S_ISDIR(Path(path).stat().st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error


def read_chunks(
    paths: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    chunk_bytes: int = 4 << 20,
    on_bytes: Callable[[str, bytes], None] | None = None,
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

    Raises:
        UsageError: `encoding` or `errors` is unknown.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path could not be read.
        DataError: a compressed file is damaged or cut off, or text in utf-16 or its like is not valid.
    """
    for path in paths:
        source = "standard input" if path == STDIN else path
        cutter = _ChunkCutter(source, encoding, errors, chunk_bytes)
        for piece in _pieces(path, source):
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
        while piece := self._read():
            chunks = [*self._cutter.feed(piece), *self._cutter.flush()]
            if lines := [line for chunk in chunks for line in chunk.lines()]:
                yield lines
        if lines := [line for chunk in self._cutter.finish() for line in chunk.lines()]:
            yield lines

    def _read(self) -> bytes:
        try:
            return os.read(self._file_descriptor, self._read_bytes)
        except OSError as error:
            raise _unreadable(self._source, error) from error


class _ChunkCutter:
    """Cuts the bytes of one source into chunks of whole lines, however they come in."""

    def __init__(self, source: str, encoding: str, errors: str, chunk_bytes: int) -> None:
        self._source = source
        self._encoding, self._errors, transcode = _resolve_encoding(encoding, errors)
        self._transcoder = _Transcoder(source, encoding, errors) if transcode else None
        # A chunk is never longer than the longest line, so only a line at its start can be too long.
        self._chunk_bytes = min(max(chunk_bytes, 1), LONGEST_LINE_BYTES)
        self._buffer = bytearray()
        self._line = 1
        self._byte = 0
        self._warned = False

    def feed(self, piece: bytes) -> Iterator[SourceChunk]:
        """Take some bytes; yield the chunks that are full."""
        self._buffer += piece if self._transcoder is None else self._transcoder.feed(piece)
        while end := self._end_of_chunk():
            yield self._take(end)

    def flush(self) -> Iterator[SourceChunk]:
        """Yield the complete lines that have arrived."""
        if end := self._buffer.rfind(b"\n") + 1:
            yield self._take(end)

    def finish(self) -> Iterator[SourceChunk]:
        """Yield the rest, whose last line may lack its end."""
        if self._transcoder is not None:
            self._buffer += self._transcoder.feed(b"", final=True)
        if self._buffer:
            yield self._take(len(self._buffer))

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
        self._line += content.count(b"\n")
        self._byte += end
        return chunk


class _Transcoder:
    """Turns one source into UTF-8, in pieces, knowing where in the original a bad byte stands."""

    def __init__(self, source: str, encoding: str, errors: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(_DECODE_ERRORS[errors])
        self._line = 1
        self._byte = 0

    def feed(self, piece: bytes, *, final: bool = False) -> bytes:
        """Decode the next bytes of the source.

        Raises:
            DataError: a byte cannot be decoded, or a character is NUL.
        """
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise self._first_fault(state, piece) from None
        if "\0" in text:
            raise self._first_fault(state, piece)
        self._line += text.count("\n")
        self._byte += len(piece)
        return text.encode("utf-8")

    def _first_fault(self, state: tuple[bytes, int], piece: bytes) -> DataError:
        """Decode a piece again, byte by byte, up to the character that is at fault."""
        decoder = self._decoder
        decoder.setstate(state)
        pending = state[0]
        line, character_byte = self._line, self._byte - len(pending)
        for position in range(len(piece)):
            pending += piece[position : position + 1]
            try:
                text = decoder.decode(piece[position : position + 1])
            except UnicodeDecodeError as error:
                byte = character_byte + error.start
                return _undecodable(self._source, line, byte, self._encoding, pending[error.start])
            if "\0" in text:
                return _nul(self._source, line, character_byte)
            line += text.count("\n")
            pending = decoder.getstate()[0]
            character_byte = self._byte + position + 1 - len(pending)
        # Every byte fits so far: the source ends inside a character.
        return _undecodable(self._source, line, character_byte, self._encoding, pending[0])


def _pieces(path: str, source: str) -> Iterator[bytes]:
    """Read one source, decompressed, in pieces of at most `_READ_BYTES`."""
    try:
        with _open(path) as stream:
            while piece := stream.read(_READ_BYTES):
                yield piece
    except _decompression_errors() as error:
        raise _damaged(source, error) from error
    except (OSError, ValueError) as error:
        # gzip and bz2 report bad data as an OSError that no system call made.
        if isinstance(error, OSError) and error.errno is None:
            raise _damaged(source, error) from error
        raise _unreadable(source, error) from error


def _decompression_errors() -> tuple[type[Exception], ...]:
    """What damaged data makes the decompressors raise; looked up only when something is raised."""
    import lzma
    import zlib

    return EOFError, zlib.error, lzma.LZMAError


def _open(path: str) -> AbstractContextManager[BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]:
    # Imported where they are needed: a query that reads no compressed file should not wait for three libraries.
    if path == STDIN:
        if sys.stdin is None:  # started with standard input closed
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return contextlib.nullcontext(sys.stdin.buffer)
    match Path(path).suffix.lower():
        case ".gz":
            import gzip

            return gzip.open(path, "rb")
        case ".bz2":
            import bz2

            return bz2.open(path, "rb")
        case ".xz":
            import lzma

            return lzma.open(path, "rb")
    return Path(path).open("rb")


def _resolve_encoding(encoding: str, errors: str) -> tuple[str, str, bool]:
    """Encoding and errors of the chunks to come, and whether the reader must turn them into UTF-8.

    Raises:
        UsageError: one of the two is unknown.
    """
    if errors not in _DECODE_ERRORS:
        raise UsageError(f"{errors}: unknown way to treat errors; expected strict, replace or skip")
    try:
        name = codecs.lookup(encoding).name.replace("_", "-")
        line_end = "\n".encode(encoding)
    except (LookupError, ValueError):
        name, line_end = "undefined", b""
    if name in _NOT_FOR_FILES:
        raise UsageError(
            f"{encoding}: unknown text encoding; expected one that Python knows, such as utf-8, gb18030, "
            "big5, latin-1 or utf-16"
        )
    if name == "utf-8-sig":  # a byte order mark is dropped anyway
        return "utf-8", errors, False
    # iso-2022 and hz carry their state over line ends.
    if line_end != b"\n" or name.startswith(("iso2022", "hz")):
        return "utf-8", "strict", True
    return encoding, errors, False


def _undecodable(source: str, line: int, byte: int, encoding: str, value: int) -> DataError:
    return DataError(
        f"{source}: line {line}, byte {byte}: not valid {encoding} (0x{value:02x}); "
        "name the encoding with --encoding, or use --errors replace|skip"
    )


def _nul(source: str, line: int, byte: int) -> DataError:
    return DataError(f"{source}: line {line}, byte {byte}: a NUL byte; this looks like a binary file")


def _damaged(source: str, error: Exception) -> DataError:
    return DataError(f"{source}: damaged or cut off ({error}); compress or copy it again")


def _unreadable(source: str, error: OSError | ValueError) -> LmctlError:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return InputMissingError(f"{source}: no such file")
        case IsADirectoryError():
            return InputMissingError(f"{source}: is a folder; expected a text file")
        case OSError():
            return StorageError(f"{source}: cannot be read: {error.strerror}")
    return StorageError(f"{source}: cannot be read: {error}")
