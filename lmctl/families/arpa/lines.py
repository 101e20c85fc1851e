r"""The lines of an ARPA file up to its n-grams: what stands before `\data\`, and how many n-grams there are.

Programs write lines of their own before `\data\`, the CMU toolkits even an example of the format; whatever stands
there is skipped, as SRILM, Kaldi and pocketsphinx do. A file that is known to be something else is named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.text.encodings import Transcoder, resolve_encoding
from lmctl.text.file_types import HEAD_BYTES, file_type
from lmctl.text.line_ends import LineEnds
from lmctl.text.sources import STDIN, read_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# No line of n words is longer.
LONGEST_LINE_BYTES = 1 << 20
# The longest text before `\data\`.
LONGEST_PREAMBLE_BYTES = 1 << 20
# Words of the longest n-grams that a file may have.
HIGHEST_ORDER = 20

# IRSTLM pads the numbers with spaces or a tab.
_COUNT_LINE = re.compile(rb"ngram[ \t]+([0-9]{1,4})[ \t]*=[ \t]*([0-9]{1,18})")
# HTK, HLMLib/LModel.c, writes "~" in place of "=" before n-grams that it packs.
_PACKED_COUNT_LINE = re.compile(rb"ngram[ \t]+[0-9]+[ \t]*~")

_DATA = b"\\data\\"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ArpaLines:
    """The lines of an ARPA file, one after the other.

    Args:
        path: of the file; compressed or not, and - is standard input.
        encoding: any text encoding that Python knows.
        on_bytes: told how many bytes more have been read, decompressed.

    Attributes:
        source: name for messages: the path, or "standard input".
        encoding: of the lines, in which white space and digits are those of ASCII.
        rest: the lines that have not been read, without their ends, each with its number.
        number: of the line that was read last.
        line: that line, without white space around it; empty at the end of the file.

    Raises:
        UsageError: the encoding is unknown.
        InputMissingError: there is no such file (while reading).
        DataError: it is a file of another kind, or has a line that is too long (while reading).
    """

    def __init__(
        self, path: str, encoding: str = "utf-8", on_bytes: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        self.source = "standard input" if path == STDIN else path
        self.encoding, _, transcode = resolve_encoding(encoding, "strict")
        pieces = _told(read_pieces(path, self.source), on_bytes)
        if transcode:
            pieces = _as_utf8(pieces, Transcoder(self.source, encoding, "strict"))
        self.rest = _lines(_with_line_feeds(_recognised(pieces, self.source), self.source), self.source)
        self.number, self.line = 0, b""

    def next(self) -> bool:
        """Go to the next line that is not blank; at the end of the file there is none."""
        for number, line in self.rest:
            self.number, self.line = number, line.strip(b" \t\r")
            if self.line:
                return True
        self.line = b""
        return False

    def expect(self, header: bytes) -> None:
        """See that the line is what must come here."""
        if self.line != header:
            got = shown(self.line) if self.line else "the end of the file"
            raise self.fault(self.number, f"expected {header.decode()}, got {got}")

    def fault(self, number: int, message: str) -> DataError:
        """An error at a line."""
        return DataError(f"{self.source}: line {max(number, 1)}: {message}")


def read_header(lines: ArpaLines) -> tuple[list[bytes], list[tuple[int, int]]]:
    r"""Read up to the line after the counts, which comes next.

    A `\data\` that no counts follow belongs to the text before the real one.

    Returns:
        The lines before `\data\`; and for each order how many n-grams the file says it has, and in which line.

    Raises:
        DataError: there is no `\data\`, or what follows it are no counts.
    """
    preamble: list[bytes] = []
    first_fault: DataError | None = None
    length = 0
    while lines.next():
        if lines.line != _DATA:
            preamble.append(lines.line)
            length += len(lines.line)
            if length > LONGEST_PREAMBLE_BYTES:
                break
            continue
        try:
            return preamble, _read_counts(lines)
        except DataError as fault:
            first_fault = first_fault or fault
    if first_fault is not None:
        raise first_fault
    got = shown(preamble[0]) if preamble else "the end of the file"
    raise lines.fault(1, f"expected \\data\\, got {got}; not an ARPA file")


def _read_counts(lines: ArpaLines) -> list[tuple[int, int]]:
    claims: list[tuple[int, int]] = []
    while lines.next() and not lines.line.startswith(b"\\"):
        match = _COUNT_LINE.fullmatch(lines.line)
        if _PACKED_COUNT_LINE.match(lines.line):
            raise lines.fault(lines.number, "HTK has packed the n-grams; let its LAdapt or LMerge write text")
        if not match or int(match[1]) != len(claims) + 1:
            raise lines.fault(lines.number, f"expected ngram {len(claims) + 1}=COUNT, got {shown(lines.line)}")
        if int(match[1]) > HIGHEST_ORDER:
            raise lines.fault(
                lines.number, f"{shown(lines.line)}: lmctl reads n-grams of up to {HIGHEST_ORDER} words"
            )
        claims.append((int(match[2]), lines.number))
    if not claims:
        raise lines.fault(lines.number, "expected ngram 1=COUNT after \\data\\")
    return claims


def shown(text: bytes) -> str:
    """Some text of the file, for a message: on one line, and not too long."""
    return repr(text[:80].decode("utf-8", "backslashreplace"))


def _lines(pieces: Iterable[bytes], source: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file without their ends, with their numbers."""
    number, pending = 0, b""
    for piece in pieces:
        lines = (pending + piece).split(b"\n")
        pending = lines.pop()
        for line in lines:
            number += 1
            yield number, line
        if len(pending) > LONGEST_LINE_BYTES:
            raise DataError(
                f"{source}: line {number + 1}: longer than {LONGEST_LINE_BYTES} bytes; not an ARPA file"
            )
    if pending:
        yield number + 1, pending


def _told(pieces: Iterable[bytes], on_bytes: Callable[[int], object]) -> Iterator[bytes]:
    for piece in pieces:
        on_bytes(len(piece))
        yield piece


def _with_line_feeds(pieces: Iterable[bytes], source: str) -> Iterator[bytes]:
    """The bytes of a file, whose lines may end in CR alone."""
    line_ends = LineEnds(source)
    for piece in pieces:
        yield line_ends.feed(piece)
    yield line_ends.finish()


def _as_utf8(pieces: Iterable[bytes], transcoder: Transcoder) -> Iterator[bytes]:
    for piece in pieces:
        yield transcoder.feed(piece)
    yield transcoder.feed(b"", final=True)


def _recognised(pieces: Iterator[bytes], source: str) -> Iterator[bytes]:
    """The pieces of a file, once its first bytes show that it is not of another kind."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    if kind := file_type(head[:HEAD_BYTES]):
        way_in = f"; {kind.way_in}" if kind.way_in else ""
        raise DataError(f"{source}: is {kind.name}, not an ARPA file{way_in}")
    yield head.removeprefix(_BYTE_ORDER_MARK)
    yield from pieces
