"""Holding out a share of the lines of a text for validation. The content of a line decides.

Lines are held out whole. Of a line longer than `LONG_LINE_CHARACTERS`, such as text8, parts are held out, and the
text between two held-out parts is one sentence.
"""

from __future__ import annotations

import bisect
import itertools
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Far longer than a paragraph: some 2,700 words of English.
LONG_LINE_CHARACTERS = 1 << 14
# Length of a part of a long line: some 170 words.
PART_CHARACTERS = 1 << 10
# Most distinct lines that are counted. The number is for a message about a text with few distinct lines.
MOST_TOLD_APART = 256


def part_patterns(characters: int) -> dict[bool, re.Pattern[str]]:
    """Make regular expressions that match one part of a long line, of about `characters` characters.

    Returns:
        By True, for the segmenter space: a part ends at the last white space among these characters, or at the end
        of a longer word. By False, for other segmenters: it ends at the last white space or Chinese full stop
        among them, or after the last of them.
    """
    up_to = rf".{{1,{characters}}}"
    return {
        True: re.compile(rf"{up_to}(?:(?<=\s)|\Z)|\S+\s?", re.DOTALL),
        False: re.compile(rf"{up_to}(?:(?<=[\s。！？])|\Z)|.{{{characters}}}", re.DOTALL),
    }


_PARTS = part_patterns(PART_CHARACTERS)


def line_hash(line: str) -> int:
    """The CRC-32 of a line, which decides its split. So a line stays in its split if the corpus grows.

    Copies of a line are in the same split.
    """
    return zlib.crc32(line.encode("utf-8", "surrogatepass"))


def hash_is_valid(value: int, fraction: float) -> bool:
    """Whether a line with this hash is a validation line. `fraction` is the share of such lines, 0 to 1."""
    return value < fraction * 2**32


def line_is_valid(line: str, fraction: float) -> bool:
    """Whether a line is a validation line."""
    return hash_is_valid(line_hash(line), fraction)


@dataclass(slots=True)
class HoldOut:
    """Divides the lines of a chunk into training and validation lines.

    Attributes:
        fraction: share of validation lines, 0 to 1.
        white_space_cuts: whether only white space separates words.
        different: hashes of distinct lines, at most `MOST_TOLD_APART`.
        long_lines: number of long lines that were cut into parts.
    """

    fraction: float
    white_space_cuts: bool = True
    different: set[int] = field(default_factory=set)
    long_lines: int = 0
    _decided: dict[int, bool] = field(default_factory=dict)
    _later_parts: list[int] = field(default_factory=list)

    def cut_long_lines(self, lines: Sequence[str]) -> list[str]:
        """Cut long lines into parts. Neighbouring parts of the same split are one line. Other lines stay whole."""
        cut: list[str] = []
        for line in lines:
            if len(line) <= LONG_LINE_CHARACTERS:
                cut.append(line)
                continue
            self.long_lines += 1
            first = len(cut)
            for is_valid, parts in itertools.groupby(
                _PARTS[self.white_space_cuts].findall(line), key=self._is_valid
            ):
                self._decided[len(cut)] = is_valid
                cut.append("".join(parts))
            self._later_parts += range(first + 1, len(cut))
        return cut

    def line_of(self, place: int) -> int:
        """The place, from 0, of the original line of a line that `cut_long_lines` returned."""
        return place - bisect.bisect_right(self._later_parts, place)

    def __call__(self, lines: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[bool]:
        """Whether each line is a validation line. A blank line is in the split of the line before it.

        Args:
            lines: the lines that `cut_long_lines` returned, normalized.
            sentences: the words of each line.
        """
        flags, current = [], False
        for place, (line, words) in enumerate(zip(lines, sentences, strict=True)):
            if words:
                decided = self._decided.get(place)
                current = self._is_valid(line) if decided is None else decided
            flags.append(current)
        return flags

    def _is_valid(self, line: str) -> bool:
        value = line_hash(line)
        if len(self.different) < MOST_TOLD_APART:
            self.different.add(value)
        return hash_is_valid(value, self.fraction)
