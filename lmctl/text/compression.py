"""Compressed sources: gzip, bzip2 and xz, known by their first bytes, and read to the last stream.

A file may hold several streams one after the other (pigz, pbzip2, pixz and `cat` make such). Every byte of it
belongs to one of them or is padding, or the file is damaged: nothing is left out. gzip and bzip2 are less strict:
they ignore what they do not know behind a whole stream, with a warning. A damaged start looks the same.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# RFC 1952, 2.3.1, with the one method there is; bzip2's header, then that of a block or of the end; the .xz file
# format, 2.1.1.1.
_STARTS = {
    "gzip": (b"\x1f\x8b\x08",),
    "bzip2": tuple(b"BZh%d" % level + magic for level in range(1, 10) for magic in (b"1AY&SY", b"\x17rE8P\x90")),
    "xz": (b"\xfd7zXZ\0",),
}
LONGEST_START = max(len(start) for starts in _STARTS.values() for start in starts)
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
# Padding behind a stream is zeros: any number for gzip, multiples of four for xz (2.2). bzip2 ignores it as it
# ignores all that follows; zeros hold nothing that could be missed.
_XZ_PADDING_BYTES = 4

_log = logging.getLogger(__name__)


def decompressed(pieces: Iterator[bytes], source: str, longest: int, *, is_file: bool = False) -> Iterator[bytes]:
    """The bytes of a source, decompressed if they start as gzip, bzip2 or xz does.

    Args:
        pieces: the bytes as they come in.
        source: its name for messages.
        longest: bytes of a piece that is decompressed, at most.
        is_file: whether that name is a file's, whose suffix says how it is compressed.

    Raises:
        DataError: the source is damaged or cut off, or not compressed as its name says.
    """
    start = b""
    for piece in pieces:
        start += piece
        if not _may_become_compressed(start):
            break
    method = compression_of(start)
    if is_file and (claimed := named_compression(source)) != method:
        if method is None:
            raise _not_compressed(source, str(claimed), start)
        _say_once(f"{source}: {method} by its first bytes, though its name does not say so; it is decompressed")
    if method is None:
        if start:
            yield start
        yield from pieces
        return
    decompressor = _Decompressor(method, source, longest)
    yield from decompressor.feed(start)
    for piece in pieces:
        yield from decompressor.feed(piece)
    decompressor.finish()


def compression_of(start: bytes) -> str | None:
    """The compression whose streams start so; None: none that is read here."""
    return next((method for method, starts in _STARTS.items() if start.startswith(starts)), None)


def named_compression(source: str) -> str | None:
    """The compression that a file's suffix claims; None: none that is read here."""
    return next((method for suffix, method in _SUFFIXES.items() if source.lower().endswith(suffix)), None)


def _may_become_compressed(start: bytes) -> bool:
    """Whether it takes more bytes to tell: a terminal's first line is not waited for longer than it takes."""
    return len(start) < LONGEST_START and any(
        known.startswith(start) for starts in _STARTS.values() for known in starts
    )


def _not_compressed(source: str, claimed: str, start: bytes) -> DataError:
    if not start:
        return DataError(f"{source}: empty, and so cut off: {claimed} writes some bytes for an empty text, too")
    return DataError(
        f"{source}: does not start as {claimed} does; if it is plain text, give it a name without the suffix, "
        "else it is damaged: compress or copy it again"
    )


@functools.lru_cache(maxsize=256)
def _say_once(message: str) -> None:
    """Warn; a file that is read twice, first for a sample, is no reason to say it twice."""
    _log.warning(message)


class _Decompressor:
    """Decompresses the streams of one source, in the order they come in."""

    def __init__(self, method: str, source: str, longest: int) -> None:
        self._method = method
        self._source = source
        self._longest = longest
        self._new, self._errors = _implementation(method)
        self._stream: Any = self._new()
        self._pending = b""
        # Bytes of the source before `_pending`, and of padding behind the last stream.
        self._taken = 0
        self._padding = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take some bytes; yield what they are, decompressed."""
        self._pending += piece
        while self._pending:
            if self._stream is None and not self._start_stream(final=False):
                return
            yield from self._read_stream()

    def finish(self) -> None:
        """See that the last stream is whole."""
        if self._pending:
            self._start_stream(final=True)
        if self._stream is not None:
            raise self._damaged("it ends inside a stream")
        self._check_padding()

    def _read_stream(self) -> Iterator[bytes]:
        """Decompress what there is of the stream."""
        stream, pending, self._pending = self._stream, self._pending, b""
        self._taken += len(pending)
        try:
            while True:
                if text := stream.decompress(pending, self._longest):
                    yield text
                # zlib hands back what it did not take; the other two keep it until they are asked again.
                pending = getattr(stream, "unconsumed_tail", b"")
                if stream.eof or not (pending or len(text) == self._longest):
                    break
        except self._errors as error:
            raise self._damaged(f"{error}".removeprefix("Error -3 while decompressing data: ")) from error
        if stream.eof:
            self._pending = stream.unused_data
            self._taken -= len(self._pending)
            self._stream = None

    def _start_stream(self, *, final: bool) -> bool:
        """Start on the next stream behind the padding; False: there is no more yet to tell it by."""
        following = self._pending.lstrip(b"\0")
        self._padding += len(self._pending) - len(following)
        self._taken += len(self._pending) - len(following)
        self._pending = following
        starts = _STARTS[self._method]
        if following.startswith(starts):
            self._check_padding()
            self._padding = 0
            self._stream = self._new()
            return True
        if following and (final or not any(start.startswith(following) for start in starts)):
            raise self._damaged(
                f"what follows at byte {self._taken} is no {self._method} stream, and all before it is whole"
            )
        return False

    def _check_padding(self) -> None:
        if self._method == "xz" and self._padding % _XZ_PADDING_BYTES:
            raise self._damaged(f"{self._padding} zeros follow a stream; xz allows multiples of four")

    def _damaged(self, how: str) -> DataError:
        return DataError(f"{self._source}: damaged or cut off ({how}); compress or copy it again")


def _implementation(method: str) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """What makes a decompressor for one stream, and what it raises for damage."""
    # Imported where they are needed: a query that reads no compressed file should not wait for three libraries.
    match method:
        case "gzip":
            import zlib

            return lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), (zlib.error,)
        case "bzip2":
            import bz2

            return bz2.BZ2Decompressor, (OSError, ValueError)
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), (lzma.LZMAError,)
