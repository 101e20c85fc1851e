"""The cost of spelling an out-of-vocabulary word, for bits per character.

Bits per character compares models with any vocabulary and segmenter. So the cost of an out-of-vocabulary word is
the cost of `<unk>` and the cost of its spelling: its characters and an end of word, under a unigram model of the
characters of the training text with add-one smoothing. The alphabet is all Unicode scalar values and the end of
word, so every text has a finite cost. docs/metrics.md describes the figure.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.records import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

UNICODE_SCALAR_VALUES = 0x110000 - 0x800
ALPHABET_SIZE = UNICODE_SCALAR_VALUES + 1
END = "end"

# Counts of up to 18 digits, which no text exceeds.
_WORDS_LINE = re.compile(END.encode() + rb"\t[0-9]{1,18}")
_CHARACTER_LINE = re.compile(rb"([0-9]{1,7})\t([0-9]{1,18})")
# A line for each character of the alphabet.
LARGEST_CHARACTERS_BYTES = ALPHABET_SIZE * len("1114111\t123456789012345678\n")


class CharacterUnigram:
    """Add-one smoothed probabilities of characters and of the end of a word.

    Args:
        counts: the count of each character in the words of the training text.
        words: number of words, which is the count of the end of word.
    """

    def __init__(self, counts: Mapping[str, int], words: int) -> None:
        self.counts = dict(counts)
        self.words = words
        self._log2_total = math.log2(sum(self.counts.values()) + words + ALPHABET_SIZE)

    @classmethod
    def of_words(cls, word_counts: Iterable[tuple[str, int]]) -> CharacterUnigram:
        """Count the characters of words. Each character counts as often as its word occurs."""
        counts: Counter[str] = Counter()
        words = 0
        for word, count in word_counts:
            words += count
            for character in word:
                counts[character] += count
        return cls(counts, words)

    def spelling_bits(self, word: str) -> float:
        """The cost of a word and its end in bits: -sum of log2((count + 1) / (total + alphabet size))."""
        get = self.counts.get
        bits = (len(word) + 1) * self._log2_total - math.log2(self.words + 1)
        return bits - sum(math.log2(get(character, 0) + 1) for character in word)

    def to_tsv(self) -> str:
        """The text of `characters.tsv`: `end` TAB words, then code point TAB count by rising code point."""
        lines = [f"{END}\t{self.words}\n"]
        lines += [f"{ord(character)}\t{count}\n" for character, count in sorted(self.counts.items())]
        return "".join(lines)

    @classmethod
    def from_tsv(cls, path: Path) -> CharacterUnigram:
        """Read `characters.tsv`.

        Raises:
            DataError: the file has another format than `to_tsv` writes.
        """
        return cls.from_tsv_content(read_regular(path, LARGEST_CHARACTERS_BYTES), path)

    @classmethod
    def from_tsv_content(cls, content: bytes, path: Path) -> CharacterUnigram:
        """Like `from_tsv`, for a file that is already in memory; `path` is for messages."""
        first, *rest = content.removesuffix(b"\n").split(b"\n")
        if not _WORDS_LINE.fullmatch(first):
            raise DataError(f"{path}: line 1: expected {END}, a TAB and the number of words")
        counts: dict[str, int] = {}
        for number, line in enumerate(rest, start=2):
            found = _CHARACTER_LINE.fullmatch(line)
            # Surrogates are not Unicode scalar values.
            if found is None or not (int(found[1]) < 0xD800 or 0xE000 <= int(found[1]) < 0x110000):
                raise DataError(f"{path}: line {number}: expected a code point, a TAB and a count on each line")
            counts[chr(int(found[1]))] = int(found[2])
        if len(counts) != len(rest):
            raise DataError(f"{path}: expected each code point once, got one twice")
        return cls(counts, int(first.split(b"\t")[1]))
