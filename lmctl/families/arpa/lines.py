r"""Reading the lines of an ARPA file, and its header: the lines before `\data\` and the numbers of n-grams.

Some programs write lines of their own before `\data\`; the CMU toolkits even write an example of the format. These
lines are skipped, as in SRILM, Kaldi and pocketsphinx. For a binary file of a known kind, the message names the
kind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.text.encodings import Transcoder, resolve_encoding
from lmctl.text.file_types import HEAD_BYTES, file_type
from lmctl.text.line_ends import LineEnds
from lmctl.text.sources import read_pieces, source_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# The longest line.
LONGEST_LINE_BYTES = 1 << 20
# The longest text before `\data\`.
LONGEST_PREAMBLE_BYTES = 1 << 20
# The highest order that is read.
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
        path: the file, compressed or not; "-" for standard input.
        encoding: any text encoding that Python has.
        on_bytes: called with the number of decompressed bytes that were read since the last call.

    Attributes:
        source: name of the file for messages: the path, or "standard input".
        encoding: the encoding of `line`, in which white space and digits are those of ASCII.
        rest: the lines that have not been read yet, without line ends, each with its number.
        number: number of the last line that was read, from 1.
        line: that line, without white space around it; empty at the end of the file.

    Raises:
        UsageError: the encoding is unknown.
        InputMissingError: there is no such file (while reading).
        DataError: the file is of another kind, or has an overlong line (while reading).
    """

    def __init__(
        self, path: str, encoding: str = "utf-8", on_bytes: Callable[[int], object] = lambda _bytes: None
    ) -> None:
        self.source = source_name(path)
        self.encoding, _, transcode = resolve_encoding(encoding, "strict")
        pieces = _told(read_pieces(path, self.source), on_bytes)
        if transcode:
            pieces = _as_utf8(pieces, Transcoder(self.source, encoding, "strict"))
        self.rest = _lines(_with_line_feeds(_recognised(pieces, self.source), self.source), self.source)
        self.number, self.line = 0, b""

    def next(self) -> bool:
        """Read the next line that is not blank. Returns False at the end of the file."""
        for number, line in self.rest:
            self.number, self.line = number, line.strip(b" \t\r")
            if self.line:
                return True
        self.line = b""
        return False

    def expect(self, header: bytes) -> None:
        """Check that the current line is a header.

        Raises:
            DataError: it is another line.
        """
        if self.line != header:
            got = shown(self.line) if self.line else "the end of the file"
            raise self.fault(self.number, f"expected {header.decode()}, got {got}")

    def fault(self, number: int, message: str) -> DataError:
        """Make the error for a line."""
        return DataError(f"{self.source}: line {max(number, 1)}: {message}")


def read_header(lines: ArpaLines) -> tuple[list[bytes], list[tuple[int, int]]]:
    r"""Read the header. Afterwards the current line is the first one after the counts.

    A `\data\` without counts after it belongs to the text before the header.

    Returns:
        The lines before `\data\`, and for each order the number of n-grams and the number of the line that states
        it.

    Raises:
        DataError: there is no `\data\` with counts after it.
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
    """Quote bytes of the file for a message: at most 80, on one line."""
    return repr(text[:80].decode("utf-8", "backslashreplace"))


def _lines(pieces: Iterable[bytes], source: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file without line ends, each with its number from 1."""
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
    """The bytes of a file, with LF for every CR that ends a line."""
    line_ends = LineEnds(source)
    for piece in pieces:
        yield line_ends.feed(piece)
    yield line_ends.finish()


def _as_utf8(pieces: Iterable[bytes], transcoder: Transcoder) -> Iterator[bytes]:
    for piece in pieces:
        yield transcoder.feed(piece)
    yield transcoder.feed(b"", final=True)


def _recognised(pieces: Iterator[bytes], source: str) -> Iterator[bytes]:
    """The bytes of a file, without a byte order mark.

    Raises:
        DataError: the first bytes are those of another kind of file.
    """
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
