r"""Parsing ARPA text. An error states the line and what was expected there.

SRILM, KenLM and IRSTLM write the format in different ways: tabs or spaces separate fields, lines end with LF or
CRLF, and blank lines may be anywhere. The numbers of n-grams in the header are compared with the lines, but memory
is allocated only for lines that were read.
"""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.arpa.lines import ArpaLines, read_header, shown
from lmctl.families.arpa.sections import Section, check, check_backoffs, checked
from lmctl.families.arpa.words import ESCAPES_COMMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.errors import DataError


@dataclass(slots=True)
class _Lines:
    """The lines of one order while they are read; see `Section`, which they become."""

    order: int
    words: array[int] = field(default_factory=lambda: array("I"))
    log10_probs: array[float] = field(default_factory=lambda: array("d"))
    log10_backoffs: array[float] = field(default_factory=lambda: array("d"))
    numbers: array[int] = field(default_factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self.log10_probs)

    def section(self) -> Section:
        """The n-grams of these lines, in the same memory. An n-gram's place is the number of its line."""
        return Section(
            self.order,
            *(
                np.frombuffer(column, dtype=column.typecode) if column else np.empty(0, dtype=column.typecode)
                for column in (self.words, self.log10_probs, self.log10_backoffs, self.numbers)
            ),
        )


class ArpaText:
    r"""The content of an ARPA file.

    Args:
        path: the file, compressed or not; "-" for standard input.
        encoding: the encoding of the words.
        positive: whether log probabilities above 0 are read as 0, as by KenLM's `build_binary -i`; else they are
            errors.
        on_bytes: called with the number of decompressed bytes that were read since the last call.

    Attributes:
        source: name of the file for messages: the path, or "standard input".
        is_escaped: whether the lines before `\data\` have the comment that lmctl writes beside escaped words.
        words: the words of the unigrams. The number of a word is its place in this list.
        sections: the n-grams of each order, from order 1.

    Raises:
        UsageError: the encoding is unknown.
        InputMissingError: there is no such file.
        DataError: the file is not an ARPA file, or damaged; the message states the line and what was expected
            there.
    """

    def __init__(
        self,
        path: str,
        *,
        encoding: str = "utf-8",
        positive: bool = False,
        on_bytes: Callable[[int], object] = lambda _bytes: None,
    ) -> None:
        self.words: list[str] = []
        self.sections: list[Section] = []
        self._numbers: dict[bytes, int] = {}
        self._lines = lines = ArpaLines(path, encoding, on_bytes)
        self.source = lines.source
        preamble, claims = read_header(lines)
        self.is_escaped = ESCAPES_COMMENT.encode() in preamble
        for order, (claimed, claiming_line) in enumerate(claims, start=1):
            header = f"\\{order}-grams:".encode()
            of_order = _Lines(order)
            if not claimed and order > 1 and lines.line != header:
                # Some programs leave out a section without n-grams.
                self.sections.append(of_order.section())
                continue
            lines.expect(header)
            self._read_section(of_order, claimed)
            if len(of_order) != claimed:
                raise self.fault(
                    lines.number,
                    f"the {order}-grams end here after {len(of_order)}, but line {claiming_line} says {claimed}",
                )
            section = checked(self, of_order.section(), positive=positive)
            if order == len(claims):
                none = section.log10_backoffs == 0
                check(self, section, section.log10_backoffs, none, "no back-off in the highest order")
            self.sections.append(section)
        lines.expect(b"\\end\\")
        if lines.next():
            raise self.fault(lines.number, f"expected nothing after \\end\\, got {shown(lines.line)}")
        check_backoffs(self, self.sections)

    def fault(self, place: int, message: str) -> DataError:
        """Make the error for a line, given its number."""
        return self._lines.fault(place, message)

    def _read_section(self, section: _Lines, claimed: int) -> None:
        """Read the lines of one order, up to the next header."""
        words_stop = section.order + 1
        parse_words = self._add_word if section.order == 1 else self._number_words
        number = self._lines.number
        for number, line in self._lines.rest:
            fields = _fields(line)
            if not fields:
                continue
            if fields[0].startswith(b"\\"):
                self._lines.number, self._lines.line = number, line.strip(b" \t\r")
                return
            if len(fields) < words_stop or (len(fields) == words_stop and line.count(b"\t") == 2):
                fields = _with_empty_words(line, section.order) or fields
            if not words_stop <= len(fields) <= words_stop + 1:
                raise self.fault(
                    number,
                    f"expected a log10 probability, {section.order} word{'s' if section.order > 1 else ''}, "
                    f"perhaps a back-off; got {shown(line)}",
                )
            if len(section) == claimed:
                raise self.fault(number, f"expected no more than the {claimed} {section.order}-grams of \\data\\")
            section.words.extend(parse_words(number, fields[1:words_stop]))
            section.log10_probs.append(self._number(number, fields[0]))
            section.log10_backoffs.append(
                self._number(number, fields[words_stop]) if len(fields) > words_stop else 0.0
            )
            section.numbers.append(number)
        self._lines.number, self._lines.line = number, b""

    def _add_word(self, line_number: int, words: list[bytes]) -> list[int]:
        """Add the word of a unigram to `words`, and return its number."""
        number = len(self._numbers)
        if self._numbers.setdefault(words[0], number) != number:
            raise self.fault(line_number, f"{shown(words[0])} is a unigram a second time")
        try:
            self.words.append(words[0].decode(self._lines.encoding))
        except UnicodeDecodeError as error:
            raise self.fault(
                line_number,
                f"{shown(words[0])} is not valid {self._lines.encoding.upper()}; "
                "name the encoding of the file with --encoding",
            ) from error
        return [number]

    def _number_words(self, line_number: int, words: list[bytes]) -> list[int]:
        try:
            return [self._numbers[word] for word in words]
        except KeyError as error:
            raise self.fault(line_number, f"{shown(error.args[0])} is not among the unigrams") from error

    def _number(self, line_number: int, text: bytes) -> float:
        try:
            if b"_" not in text:  # which Python allows between digits
                return float(text)
        except ValueError:
            # C on Windows prints minus infinity so.
            if text == b"-1.#INF":
                return -math.inf
        raise self.fault(line_number, f"expected a number, got {shown(text)}")


def _with_empty_words(line: bytes, order: int) -> list[bytes]:
    """The fields of a line with an empty word, which MITLM writes for a line of blanks; else an empty list."""
    parts = line.strip(b"\r").split(b"\t")
    words = parts[1].split(b" ") if len(parts) > 1 else []
    return [parts[0], *words, *parts[2:]] if len(words) == order and b"" in words else []


def _fields(line: bytes) -> list[bytes]:
    """The fields of a line. Tabs and blanks separate them; a vertical tab may be part of a word (KenLM)."""
    if b"\v" in line or b"\f" in line:
        return [part for part in re.split(rb"[ \t\r]+", line) if part]
    return line.split()
