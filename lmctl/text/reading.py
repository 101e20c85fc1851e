"""Reading text: sources -> chunks of whole lines, or lines as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl import files
from lmctl.text.compression import decompressed
from lmctl.text.file_types import check_is_text
from lmctl.text.limits import LONGEST_LINE_BYTES
from lmctl.text.source_chunks import ChunkCutter
from lmctl.text.sources import STDIN, read_pieces, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
) -> Iterator[SourceChunk]:
    """Read sources one after the other, in chunks of whole lines; no chunk spans two sources.

    Where a line that is too long is cut never depends on `chunk_bytes`.

    Args:
        paths: files, compressed (gzip, bzip2, xz) or not, and "-" for standard input.
        encoding: any text encoding that Python knows.
        errors: "strict", "replace" or "skip"; see `SourceChunk`.
        chunk_bytes: about how long a chunk is.
        on_bytes: called with the source's name and each piece of decompressed bytes, before its chunks.
        read: what the bytes of a path come from, with the source's name for messages.
        long_lines: what is done with a line longer than `LONGEST_LINE_BYTES`: "cut" it into several, read its
            "end" alone, or "refuse" it; the first two with one warning a source.

    Raises:
        UsageError: `encoding` or `errors` is unknown.
        InputMissingError: a path does not exist or is a folder.
        StorageError: a path could not be read.
        DataError: a compressed file is damaged or cut off, text in utf-16 or its like is not valid, a line is too
            long, or the source is no text.
    """
    for path in paths:
        source = "standard input" if path == STDIN else path
        cutter = ChunkCutter(source, encoding, errors, chunk_bytes, long_lines)
        for number, piece in enumerate(read(path, source)):
            if number == 0:
                check_is_text(piece, source)
            if on_bytes is not None:
                on_bytes(source, piece)
            yield from cutter.feed(piece)
        yield from cutter.finish()


def read_lines(
    path: str, *, encoding: str = "utf-8", errors: str = "strict", long_lines: LongLines = "cut"
) -> Iterator[str]:
    """Read the decoded lines of one source in constant memory.

    Raises:
        LmctlError: as `read_chunks` and `SourceChunk.text`.
    """
    for chunk in read_chunks([path], encoding=encoding, errors=errors, long_lines=long_lines):
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
        long_lines: as in `read_chunks`; "end" and "refuse" yield no line twice.

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
        long_lines: LongLines = "cut",
    ) -> None:
        self._file_descriptor = file_descriptor
        self._source = source
        self._read_bytes = read_bytes
        self._cutter = ChunkCutter(source, encoding, errors, LONGEST_LINE_BYTES, long_lines)

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
