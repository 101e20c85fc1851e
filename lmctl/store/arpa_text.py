r"""ARPA text, taken apart: what each line says, and which line does not fit.

Lines end with LF or CRLF, fields are parted by tabs or spaces, and blank lines may stand anywhere: SRILM, KenLM
and IRSTLM each have their own habits. What the file claims is compared with what it holds, never believed: memory
grows with the lines that were read. Before `\data\` only blank lines and comments (#) may stand, as KenLM has it.
"""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.errors import DataError
from lmctl.text.sources import STDIN, read_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# No line of n words is longer.
LONGEST_LINE_BYTES = 1 << 20

# IRSTLM pads the numbers with spaces.
_COUNT_LINE = re.compile(rb"ngram +([0-9]{1,3}) *= *([0-9]{1,18})")


@dataclass(slots=True)
class ArpaSection:
    """The n-grams of one order, as they stand in the file; a row for each line.

    Attributes:
        order: of its n-grams.
        words: numbers of the words in the order of their unigrams, (rows * order,).
        log10_probs: (rows,).
        log10_backoffs: (rows,); 0 where a line has none.
        line_numbers: (rows,).
    """

    order: int
    words: array[int] = field(default_factory=lambda: array("I"))
    log10_probs: array[float] = field(default_factory=lambda: array("d"))
    log10_backoffs: array[float] = field(default_factory=lambda: array("d"))
    line_numbers: array[int] = field(default_factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self.log10_probs)


class ArpaText:
    """An ARPA file, read whole.

    Args:
        path: of the file; .gz, .bz2 and .xz are decompressed, and - is standard input.

    Attributes:
        source: name for messages: the path, or "standard input".
        words: the unigrams' words; a word's number is its place.
        sections: from order 1.

    Raises:
        InputMissingError: there is no such file.
        DataError: it is not an ARPA file, or damaged; with the number of the line, and what was expected there.
    """

    def __init__(self, path: str) -> None:
        self.source = "standard input" if path == STDIN else path
        self.words: list[str] = []
        self.sections: list[ArpaSection] = []
        self._numbers: dict[bytes, int] = {}
        self._lines = _lines(path, self.source)
        self._line_number, self._line = 0, b""
        claims = self._read_counts()
        for order, (claimed, claiming_line) in enumerate(claims, start=1):
            self._expect(f"\\{order}-grams:".encode())
            section = ArpaSection(order)
            self._read_section(section, claimed)
            if len(section) != claimed:
                raise self.fault(
                    self._line_number,
                    f"the {order}-grams end here after {len(section)}, but line {claiming_line} says {claimed}",
                )
            self._check_numbers(section, highest=order == len(claims))
            self.sections.append(section)
        self._expect(b"\\end\\")
        if self._next_line():
            raise self.fault(self._line_number, f"expected nothing after \\end\\, got {_shown(self._line)}")

    def fault(self, line_number: int, message: str) -> DataError:
        """An error at a line."""
        return DataError(f"{self.source}: line {max(line_number, 1)}: {message}")

    def _next_line(self) -> bool:
        """Go to the next line that is not blank; at the end of the file there is none."""
        for number, line in self._lines:
            self._line_number, self._line = number, line.strip(b" \t\r")
            if self._line:
                return True
        self._line = b""
        return False

    def _expect(self, header: bytes) -> None:
        if self._line != header:
            got = _shown(self._line) if self._line else "the end of the file"
            raise self.fault(self._line_number, f"expected {header.decode()}, got {got}")

    def _read_counts(self) -> list[tuple[int, int]]:
        r"""What `\data\` says of each order, and in which line; the line after it comes next."""
        while self._next_line() and self._line.startswith(b"#"):
            pass
        self._expect(b"\\data\\")
        claims: list[tuple[int, int]] = []
        while self._next_line() and not self._line.startswith(b"\\"):
            match = _COUNT_LINE.fullmatch(self._line)
            if not match or int(match[1]) != len(claims) + 1:
                raise self.fault(
                    self._line_number, f"expected ngram {len(claims) + 1}=COUNT, got {_shown(self._line)}"
                )
            claims.append((int(match[2]), self._line_number))
        if not claims:
            raise self.fault(self._line_number, "expected ngram 1=COUNT after \\data\\")
        return claims

    def _read_section(self, section: ArpaSection, claimed: int) -> None:
        """Read the lines of one order, up to the next header."""
        words_stop = section.order + 1
        parse_words = self._add_word if section.order == 1 else self._number_words
        number = self._line_number
        for number, line in self._lines:
            fields = _fields(line)
            if not fields:
                continue
            if fields[0].startswith(b"\\"):
                self._line_number, self._line = number, line.strip(b" \t\r")
                return
            if not words_stop <= len(fields) <= words_stop + 1:
                raise self.fault(
                    number,
                    f"expected a log10 probability, {section.order} words, perhaps a back-off; got {_shown(line)}",
                )
            if len(section) == claimed:
                raise self.fault(number, f"expected no more than the {claimed} {section.order}-grams of \\data\\")
            section.words.extend(parse_words(number, fields[1:words_stop]))
            section.log10_probs.append(self._number(number, fields[0]))
            section.log10_backoffs.append(
                self._number(number, fields[words_stop]) if len(fields) > words_stop else 0.0
            )
            section.line_numbers.append(number)
        self._line_number, self._line = number, b""

    def _add_word(self, line_number: int, words: list[bytes]) -> list[int]:
        """The number of a unigram's word."""
        number = len(self._numbers)
        if self._numbers.setdefault(words[0], number) != number:
            raise self.fault(line_number, f"{_shown(words[0])} is a unigram a second time")
        try:
            self.words.append(words[0].decode())
        except UnicodeDecodeError as error:
            raise self.fault(line_number, f"{_shown(words[0])} is not valid UTF-8; convert the file") from error
        return [number]

    def _number_words(self, line_number: int, words: list[bytes]) -> list[int]:
        try:
            return [self._numbers[word] for word in words]
        except KeyError as error:
            raise self.fault(line_number, f"{_shown(error.args[0])} is not among the unigrams") from error

    def _number(self, line_number: int, text: bytes) -> float:
        try:
            if b"_" not in text:  # which Python allows between digits
                return float(text)
        except ValueError:
            pass
        raise self.fault(line_number, f"expected a number, got {_shown(text)}")

    def _check_numbers(self, section: ArpaSection, *, highest: bool) -> None:
        """Are the numbers of a section such as logarithms of probabilities can be?"""
        log10_probs, log10_backoffs = np.array(section.log10_probs), np.array(section.log10_backoffs)
        self._check(section, log10_probs, log10_probs <= 0, "a log10 probability of 0 or less")
        self._check(section, log10_backoffs, log10_backoffs < np.inf, "a log10 back-off")
        if highest:
            self._check(section, log10_backoffs, log10_backoffs == 0, "no back-off in the highest order")

    def _check(self, section: ArpaSection, values: NDArray[Any], fits: NDArray[np.bool_], expected: str) -> None:
        if not fits.all():
            row = int(np.argmin(fits))
            raise self.fault(section.line_numbers[row], f"expected {expected}, got {values[row]:g}")


def _lines(path: str, source: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file without their ends, with their numbers."""
    number, pending = 0, b""
    for piece in read_pieces(path, source):
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


def _fields(line: bytes) -> list[bytes]:
    """The fields of a line; tabs and blanks part them, and a vertical tab may stand in a word (KenLM)."""
    if b"\v" in line or b"\f" in line:
        return [part for part in re.split(rb"[ \t\r]+", line) if part]
    return line.split()


def _shown(text: bytes) -> str:
    """Some text of the file, for a message: on one line, and not too long."""
    return repr(text[:80].decode("utf-8", "backslashreplace"))
