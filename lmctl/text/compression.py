"""Decompression of sources in gzip, bzip2, xz and zstd, which are recognised by their first bytes.

A file may hold several streams one after the other, as pigz, pbzip2, pixz, pzstd and `cat` write them. Every byte
must belong to a stream or to the padding after it; a file with other bytes is refused as damaged. The programs
gzip and bzip2 ignore other bytes after a whole stream, with a warning. But a later stream with a damaged start
looks the same.
"""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any

from lmctl.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# gzip: RFC 1952, 2.3.1, with method 8, the only one. bzip2: the header of the file, then the header of a block or
# of the end of the stream. xz: the .xz file format, 2.1.1.1. zstd: RFC 8878, 3.1.1 and 3.1.2; pzstd begins a file
# with a skippable frame, which has no text.
_STARTS = {
    "gzip": (b"\x1f\x8b\x08",),
    "bzip2": tuple(b"BZh%d" % level + magic for level in range(1, 10) for magic in (b"1AY&SY", b"\x17rE8P\x90")),
    "xz": (b"\xfd7zXZ\0",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([number]) + b"\x2a\x4d\x18" for number in range(0x50, 0x60))),
}
LONGEST_START = max(len(start) for starts in _STARTS.values() for start in starts)
_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}
# The padding after a stream consists of zeros: any number for gzip, a multiple of four for xz (2.2). bzip2 and
# zstd have no padding of their own; zeros are accepted, since they hold no text.
_XZ_PADDING_BYTES = 4

# The start of the messages of zlib and zstd, which repeats what the message of lmctl says.
_ERROR_PREFIXES = ("Error -3 while decompressing data: ", "Unable to decompress Zstandard data: ")

_log = logging.getLogger(__name__)


def decompressed(pieces: Iterator[bytes], source: str, longest: int, *, is_file: bool = False) -> Iterator[bytes]:
    """Decompress a source if its first bytes are those of gzip, bzip2, xz or zstd; else yield it as it is.

    Args:
        pieces: the bytes of the source, in pieces of any size.
        source: name of the source for messages.
        longest: most bytes of a piece of decompressed bytes.
        is_file: whether `source` is the name of a file, whose suffix states the compression.

    Raises:
        DataError: the source is damaged or cut off, or not compressed as its suffix states.
        MissingExtraError: the source is in zstd, and the package that reads it is not installed.
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
        _warn_once(f"{source}: {method} by its first bytes, though its name does not say so; it is decompressed")
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
    """The compression ("gzip", "bzip2", "xz", "zstd") of a stream by its first bytes; None: another or none."""
    return next((method for method, starts in _STARTS.items() if start.startswith(starts)), None)


def named_compression(source: str) -> str | None:
    """The compression that the suffix of a file name states; None: another or none."""
    return next((method for suffix, method in _SUFFIXES.items() if source.lower().endswith(suffix)), None)


def _may_become_compressed(start: bytes) -> bool:
    """Whether more bytes are needed to recognise the compression.

    A short line from a terminal is passed on at once if no compression starts like it.
    """
    return len(start) < LONGEST_START and any(
        known.startswith(start) for starts in _STARTS.values() for known in starts
    )


def _not_compressed(source: str, claimed: str, start: bytes) -> DataError:
    if not start:
        return DataError(
            f"{source}: empty, so cut off: even an empty text has some bytes in {claimed}; copy it again"
        )
    return DataError(
        f"{source}: its first bytes are not those of {claimed}; if it is plain text, give it a name without the "
        "suffix, else it is damaged: compress or copy it again"
    )


@functools.lru_cache(maxsize=256)
def _warn_once(message: str) -> None:
    """Log a warning, once for each message: a file may be read twice, first for a sample."""
    _log.warning(message)


class _Decompressor:
    """Decompresses the streams of one source, in their order."""

    def __init__(self, method: str, source: str, longest: int) -> None:
        self._method = method
        self._source = source
        self._longest = longest
        self._new, self._errors = _implementation(method, source)
        self._stream: Any = self._new()
        self._pending = b""
        # Number of bytes of the source before `_pending`, and number of padding bytes after the last stream.
        self._taken = 0
        self._padding = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take the next bytes of the source; yield the decompressed bytes."""
        self._pending += piece
        while self._pending:
            if self._stream is None and not self._start_stream(final=False):
                return
            yield from self._read_stream()

    def finish(self) -> None:
        """Check at the end of the source that the last stream is whole.

        Raises:
            DataError: the source ends inside a stream, or inside its padding.
        """
        if self._pending:
            self._start_stream(final=True)
        if self._stream is not None:
            raise self._damaged("it ends inside a stream")
        self._check_padding()

    def _read_stream(self) -> Iterator[bytes]:
        """Decompress the pending bytes that belong to the current stream."""
        stream, pending, self._pending = self._stream, self._pending, b""
        self._taken += len(pending)
        try:
            while True:
                if text := stream.decompress(pending, self._longest):
                    yield text
                # zlib returns the bytes that it did not use; bz2 and lzma keep them for the next call.
                pending = getattr(stream, "unconsumed_tail", b"")
                if stream.eof or not (pending or len(text) == self._longest):
                    break
        except self._errors as error:
            raise self._unreadable(f"{error}") from error
        if stream.eof:
            self._pending = stream.unused_data
            self._taken -= len(self._pending)
            self._stream = None

    def _start_stream(self, *, final: bool) -> bool:
        """Skip padding and start the next stream; False: more bytes are needed to recognise one."""
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
                f"the bytes from {self._taken} on are no {self._method} stream; all before them are whole"
            )
        return False

    def _check_padding(self) -> None:
        if self._method == "xz" and self._padding % _XZ_PADDING_BYTES:
            raise self._damaged(f"{self._padding} zeros follow a stream; xz allows multiples of four")

    def _unreadable(self, why: str) -> DataError:
        """Make the error for an exception of the library; some files are whole, and need another program."""
        if "Frame requires too much memory" in why:
            return DataError(
                f"{self._source}: zstd with a window above 128 MiB, which would take as much memory to read; "
                "zstd -dc --long=31 FILE unpacks it"
            )
        if "Dictionary mismatch" in why:
            return DataError(
                f"{self._source}: zstd with a dictionary of its own, which lmctl does not have; "
                "zstd -dc -D DICTIONARY FILE unpacks it"
            )
        for prefix in _ERROR_PREFIXES:
            why = why.removeprefix(prefix)
        return self._damaged(why[:1].lower() + why[1:])

    def _damaged(self, how: str) -> DataError:
        return DataError(f"{self._source}: damaged or cut off ({how}); compress or copy it again")


def _implementation(method: str, source: str) -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """A function that makes a decompressor for one stream, and the exceptions that it raises for damage."""
    # The libraries are imported here, so that a query that reads no compressed file does not load them.
    match method:
        case "gzip":
            import zlib

            return lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), (zlib.error,)
        case "bzip2":
            import bz2

            return bz2.BZ2Decompressor, (OSError, ValueError)
        case "zstd":
            try:
                if sys.version_info >= (3, 14):
                    from compression import zstd
                else:
                    from backports import zstd
            except ImportError:
                raise MissingExtraError(
                    f"{source}: zstd, which lmctl reads with a package that is not installed: "
                    "pip install 'lmctl[zstd]', or zstd -dc FILE in a pipe"
                ) from None

            return zstd.ZstdDecompressor, (zstd.ZstdError,)
    import lzma

    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), (lzma.LZMAError,)
