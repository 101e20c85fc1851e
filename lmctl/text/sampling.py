"""A sample of all sources, from which `auto` chooses the segmenter.

The sample consists of pieces ("places") of equal length at equal distances in all sources, as if they were one
text in the order of their names. So the share of a source in the sample is its share of the bytes, and the order
of the sources does not matter. A pipe cannot be read twice, so its sampled bytes are kept for the reader of the
source; so are those of a server of HTTP that sends a text only from its start.
"""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.text.encodings import resolve_encoding
from lmctl.text.formats.unpacking import unpacked_start
from lmctl.text.sources import can_seek, is_compressed, read_pieces, read_places, source_name, stored_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.text.formats import TextFormat

# 64 places of 2 KiB have some 20,000 words. Examining more would take longer than preparing a small text.
PLACES = 64
PLACE_BYTES = 1 << 11
# Bytes read ahead from all pipes together: the length of a chunk, so that the first chunk is not delayed.
PIPE_BYTES = 1 << 22

# Approximate compression ratio of text by gzip. Only the weight of a source in the sample depends on it.
_COMPRESSION = 3


@dataclass(slots=True)
class _Source:
    """One source.

    Attributes:
        path: a file, or "-".
        size: size in bytes: of a compressed file an estimate, of a pipe the bytes read ahead.
        seekable: whether any place of the file can be read; else only its start.
        head: the bytes read ahead from a pipe; None: a file.
        text: the start of the text of records; None: the source has lines of text.
    """

    path: str
    size: int
    seekable: bool
    head: bytes | None = None
    text: str | None = None

    def read(self, offsets: Sequence[int]) -> list[bytes]:
        """Read PLACE_BYTES at each offset, in rising order; or as many from the start if it is not seekable."""
        wanted = len(offsets) * PLACE_BYTES
        if self.text is not None:
            return [self.text.encode()[:wanted]]
        if not self.seekable:
            head = (
                self.head
                if self.head is not None
                else _read_start(read_pieces(self.path, source_name(self.path)), wanted)[0]
            )
            return [head[:wanted]]
        if self.head is not None:
            if wanted >= self.size:
                return [self.head]
            return [self.head[offset : offset + PLACE_BYTES] for offset in offsets]
        if wanted >= self.size:
            return read_places(self.path, [0], wanted)
        return read_places(self.path, offsets, PLACE_BYTES)


class SampledSources:
    """Sources that can be sampled, and afterwards read whole.

    Args:
        paths: files and addresses, compressed or not, and "-" for standard input.
        encoding: the encoding of the text.
        errors: "strict", "replace" or "skip": treatment of invalid bytes in records.
        text_format: where the text of a source stands; None: each line is a line of text.

    Attributes:
        is_text: False if `text` found bytes that are not valid in the encoding.

    Raises:
        LmctlError: a source cannot be read, or its records are not valid.
    """

    def __init__(
        self, paths: Sequence[str], encoding: str, errors: str = "strict", text_format: TextFormat | None = None
    ) -> None:
        self.is_text = True
        self._kept: dict[str, tuple[bytes, Iterator[bytes]]] = {}
        self._encoding, _, from_start = resolve_encoding(encoding, "skip")
        self._from_start = encoding if from_start else None
        self._reading = (encoding, errors, text_format)
        self._sources = self._measured(paths)

    def text(self) -> str:
        """The sample, in whole lines as far as possible. Invalid bytes are left out."""
        total = sum(source.size for source in self._sources)
        whole = total <= PLACES * PLACE_BYTES
        step = max(total / PLACES, 1)
        texts, start = [], 0
        for source in self._sources:
            # The places whose middles lie in this source.
            first, last = round(start / step), round((start + source.size) / step)
            start += source.size
            count = -(-source.size // PLACE_BYTES) if whole else last - first
            distance = source.size / max(count, 1)
            room = max(source.size - PLACE_BYTES, 0)
            offsets = [min(int((place + 0.5) * distance), room) for place in range(count)]
            if offsets:
                texts += [self._decoded(place, source) for place in source.read(offsets)]
        # A CR may end a line, too; see `line_ends`.
        return "\n".join(texts).replace("\r", "\n")

    def pieces(self, path: str, source: str) -> Iterator[bytes]:
        """Read a source like `read_pieces`, starting with the bytes read ahead."""
        if path not in self._kept:
            return read_pieces(path, source)
        head, rest = self._kept.pop(path)
        return itertools.chain([head] if head else [], rest)

    def _measured(self, paths: Sequence[str]) -> list[_Source]:
        """Find the size of each source, and read ahead from pipes; the sources in the order of their names."""
        sources, room = [], PIPE_BYTES
        for path in paths:
            source = source_name(path)
            # A server that sends a text only from its start is read like a pipe, so that it sends it once.
            if not can_seek(path):
                # A pipe is opened only after the pipes before it have ended: one process may write all of them,
                # one after the other.
                if room <= 0 or path in self._kept:
                    continue
                pieces = read_pieces(path, source)
                head, at_end = _read_start(pieces, room)
                self._kept[path] = head, pieces
                room = room - len(head) if at_end else 0
                text = self._text_of_records(_in_pieces(head), path, are_all=at_end)
                sources.append(_Source(path, len(head), seekable=self._from_start is None, head=head, text=text))
            else:
                scale = _COMPRESSION if is_compressed(path) else 1
                text = self._text_of_records(read_pieces(path, source), path)
                seekable = scale == 1 and not self._from_start
                sources.append(_Source(path, stored_bytes(path) * scale, seekable=seekable, text=text))
        return sorted(sources, key=lambda source: source.path)

    def _text_of_records(self, pieces: Iterable[bytes], path: str, *, are_all: bool = True) -> str | None:
        """The start of the text of a source that has records; None: it has lines of text."""
        encoding, errors, text_format = self._reading
        if text_format is None:
            return None
        source = source_name(path)
        wanted = PLACES * PLACE_BYTES
        return unpacked_start(pieces, source, encoding, errors, text_format, wanted, are_all=are_all)

    def _decoded(self, place: bytes, source: _Source) -> str:
        if source.text is not None:
            return place.decode("utf-8", "ignore")
        if self._from_start is not None:
            with contextlib.suppress(UnicodeDecodeError):
                return place.decode(self._from_start, "ignore")
        lines = place.split(b"\n")
        is_whole = len(place) >= source.size
        if not is_whole and len(lines) > 2:
            # The first and the last line are cut off, perhaps inside a character.
            lines, is_whole = lines[1:-1], True
        content = b"\n".join(lines)
        if is_whole and not _is_text(content, self._encoding):
            self.is_text = False
        return content.decode(self._encoding, "ignore").removeprefix("\ufeff")


def _is_text(content: bytes, encoding: str) -> bool:
    with contextlib.suppress(UnicodeDecodeError):
        return "\0" not in content.decode(encoding)
    return False


def _in_pieces(head: bytes) -> Iterator[bytes]:
    """The bytes read ahead from a pipe in pieces, so that no more of them are unpacked than are wanted."""
    return (head[start : start + PLACE_BYTES] for start in range(0, len(head), PLACE_BYTES))


def _read_start(pieces: Iterator[bytes], wanted: int) -> tuple[bytes, bool]:
    """Read at least `wanted` bytes from the start of a source, or all of it; and whether the source has ended."""
    start = bytearray()
    for piece in pieces:
        start += piece
        if len(start) >= wanted:
            return bytes(start), False
    return bytes(start), True
