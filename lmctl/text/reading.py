"""Reading text: sources as chunks of whole lines, or line by line as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl import files
from lmctl.text.compression import decompressed
from lmctl.text.file_types import check_is_text
from lmctl.text.formats.unpacking import ChunkReader
from lmctl.text.limits import LONGEST_LINE_BYTES
from lmctl.text.sources import read_pieces, source_name, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.text.formats import TextFormat
    from lmctl.text.source_chunks import LongLines, SourceChunk


def read_chunks(
    paths: Sequence[str],
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    chunk_bytes: int = 4 << 20,
    on_bytes: Callable[[str, bytes], None] | None = None,
    read: Callable[[str, str], Iterator[bytes]] = read_pieces,
    long_lines: LongLines = "cut",
    text_format: TextFormat | None = None,
) -> Iterator[SourceChunk]:
    """Read sources one after the other, in chunks of whole lines. No chunk spans two sources.

    The places at which an overlong line is cut do not depend on `chunk_bytes`.

    Args:
        paths: files and addresses, compressed by gzip, bzip2, xz or zstd or not, and "-" for standard input.
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        chunk_bytes: approximate length of a chunk.
        on_bytes: called with the name of the source and each piece of decompressed bytes, before its chunks come.
        read: the function that reads a path, given the path and the name of the source.
        long_lines: treatment of a line longer than `LONGEST_LINE_BYTES`. "cut": several lines, with a warning.
            "end": only its end, with a warning. "refuse": an error.
        text_format: where the text of a source stands; None: each line is a line of text, whatever it has.

    Raises:
        UsageError: `encoding` or `errors` is unknown, or a setting of the format is wrong.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path could not be read.
        DataError: a compressed file is damaged or cut off, a source in utf-16 or a similar encoding is not valid,
            a line is too long, a source is not text, or its records are not valid.
    """
    for path in paths:
        source = source_name(path)
        reader = ChunkReader(source, encoding, errors, chunk_bytes, long_lines, text_format)
        for number, piece in enumerate(read(path, source)):
            if number == 0:
                check_is_text(piece, source)
            if on_bytes is not None:
                on_bytes(source, piece)
            yield from reader.feed(piece)
        yield from reader.finish()


def read_lines(
    path: str,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
    long_lines: LongLines = "cut",
    text_format: TextFormat | None = None,
) -> Iterator[str]:
    """Read the decoded lines of one source, in constant memory.

    Args:
        path: a file, an address or "-"; see `read_chunks` for this and the other arguments.
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip".
        long_lines: treatment of overlong lines.
        text_format: where the text of the source stands.

    Raises:
        LmctlError: as raised by `read_chunks` and `SourceChunk.text`.
    """
    for chunk in read_chunks(
        [path], encoding=encoding, errors=errors, long_lines=long_lines, text_format=text_format
    ):
        yield from chunk.lines()


class LineStream:
    """The lines of a pipe or terminal as they arrive. A writer that waits for an answer to its line gets it.

    Iteration yields lists of all complete lines that have arrived, at least one, and waits only if there are none.
    An unfinished last line is yielded at the end of file. Memory is bounded on an endless stream.

    Args:
        file_descriptor: the open file; it stays open.
        source: name of the source for messages.
        encoding: any text encoding that Python has.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        read_bytes: most bytes of one read.
        long_lines: as in `read_chunks`.
        text_format: as in `read_chunks`.

    Raises:
        UsageError: `encoding` or `errors` is unknown, or a setting of the format is wrong.
        StorageError: reading failed (during iteration).
        DataError: the text is not valid (during iteration).
    """

    def __init__(
        self,
        file_descriptor: int,
        source: str,
        encoding: str = "utf-8",
        errors: str = "strict",
        read_bytes: int = 1 << 16,
        long_lines: LongLines = "cut",
        text_format: TextFormat | None = None,
    ) -> None:
        self._file_descriptor = file_descriptor
        self._source = source
        self._read_bytes = read_bytes
        self._reader = ChunkReader(source, encoding, errors, LONGEST_LINE_BYTES, long_lines, text_format)

    def __iter__(self) -> Iterator[list[str]]:
        for piece in decompressed(iter(self._read, b""), self._source, self._read_bytes):
            chunks = [*self._reader.feed(piece), *self._reader.flush()]
            if lines := [line for chunk in chunks for line in chunk.lines()]:
                yield lines
        if lines := [line for chunk in self._reader.finish() for line in chunk.lines()]:
            yield lines

    def _read(self) -> bytes:
        try:
            return files.read_some(self._file_descriptor, self._read_bytes)
        except OSError as error:
            raise unreadable(self._source, error) from error
