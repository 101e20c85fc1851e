"""Which lines of a text validate: a share of them, chosen by their content.

Lines are held out whole, but for those that nobody writes: of a line longer than `LONG_LINE_CHARACTERS`, as text8
is one, parts are held out, and what stands between two of them is one sentence.
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

# Far above a paragraph; some 2,700 words of English.
LONG_LINE_CHARACTERS = 1 << 14
# Of a long line: some 170 words.
PART_CHARACTERS = 1 << 10
# How many different lines are told apart, to say that there are only so few of them.
MOST_TOLD_APART = 256


def part_patterns(characters: int) -> dict[bool, re.Pattern[str]]:
    """What a part is in a text that only white space cuts, and in another.

    Up to the last blank in so many characters, or to the end of the word; or else up to the last blank or Chinese
    full stop, or just so many characters.
    """
    up_to = rf".{{1,{characters}}}"
    return {
        True: re.compile(rf"{up_to}(?:(?<=\s)|\Z)|\S+\s?", re.DOTALL),
        False: re.compile(rf"{up_to}(?:(?<=[\s。！？])|\Z)|.{{{characters}}}", re.DOTALL),
    }


_PARTS = part_patterns(PART_CHARACTERS)


def line_hash(line: str) -> int:
    """CRC-32 of a line. It decides: a line stays in its split when the corpus grows, and copies stay together."""
    return zlib.crc32(line.encode("utf-8", "surrogatepass"))


def hash_is_valid(value: int, fraction: float) -> bool:
    """Whether a line with this hash validates rather than trains."""
    return value < fraction * 2**32


def line_is_valid(line: str, fraction: float) -> bool:
    """Whether a line validates rather than trains."""
    return hash_is_valid(line_hash(line), fraction)


@dataclass(slots=True)
class HoldOut:
    """Shares out the lines of a chunk.

    Attributes:
        fraction: the share of lines that validate.
        white_space_cuts: whether words end at white space alone.
        different: hashes of some lines, `MOST_TOLD_APART` at most.
        long_lines: how many lines were cut.
    """

    fraction: float
    white_space_cuts: bool = True
    different: set[int] = field(default_factory=set)
    long_lines: int = 0
    _decided: dict[int, bool] = field(default_factory=dict)
    _later_parts: list[int] = field(default_factory=list)

    def cut_long_lines(self, lines: Sequence[str]) -> list[str]:
        """The lines, with the parts of long ones that go the same way in place of these."""
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
        """The place, from 0, of the line that one of `cut_long_lines` is or is a part of."""
        return place - bisect.bisect_right(self._later_parts, place)

    def __call__(self, lines: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[bool]:
        """Whether each line validates; a blank line goes with the line before it.

        Args:
            lines: what `cut_long_lines` returned, normalized.
            sentences: their words.
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
