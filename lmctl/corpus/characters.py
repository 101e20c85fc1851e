"""What it costs to spell a word that the vocabulary does not have.

Bits per character compares models of any vocabulary and segmenter, so an out-of-vocabulary word must pay for
more than `<unk>`: it pays for its characters and an end, under the character unigram of the training text with
one added to every count. The alphabet is every Unicode scalar value and the end, so any text has a finite cost.
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
# A line for each character that there is.
LARGEST_CHARACTERS_BYTES = ALPHABET_SIZE * len("1114111\t123456789012345678\n")


class CharacterUnigram:
    """Add-one smoothed probabilities of single characters and of a word's end.

    Args:
        counts: how often each character stood in the words of the training text.
        words: how many words there were; each has one end.
    """

    def __init__(self, counts: Mapping[str, int], words: int) -> None:
        self.counts = dict(counts)
        self.words = words
        self._log2_total = math.log2(sum(self.counts.values()) + words + ALPHABET_SIZE)

    @classmethod
    def of_words(cls, word_counts: Iterable[tuple[str, int]]) -> CharacterUnigram:
        """Count the characters of words, each as often as the word stood."""
        counts: Counter[str] = Counter()
        words = 0
        for word, count in word_counts:
            words += count
            for character in word:
                counts[character] += count
        return cls(counts, words)

    def spelling_bits(self, word: str) -> float:
        """Bits to spell `word` and end it: -sum of log2((count + 1) / (total + alphabet size))."""
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
            DataError: it is not what `to_tsv` writes.
        """
        return cls.from_tsv_content(read_regular(path, LARGEST_CHARACTERS_BYTES), path)

    @classmethod
    def from_tsv_content(cls, content: bytes, path: Path) -> CharacterUnigram:
        """The same, of a file that has been read."""
        first, *rest = content.removesuffix(b"\n").split(b"\n")
        if not _WORDS_LINE.fullmatch(first):
            raise DataError(f"{path}: line 1: expected {END}, a TAB and how many words there are")
        counts: dict[str, int] = {}
        for number, line in enumerate(rest, start=2):
            found = _CHARACTER_LINE.fullmatch(line)
            # Halves of surrogate pairs are no characters.
            if found is None or not (int(found[1]) < 0xD800 or 0xE000 <= int(found[1]) < 0x110000):
                raise DataError(f"{path}: line {number}: expected a code point, a TAB and a count on each line")
            counts[chr(int(found[1]))] = int(found[2])
        if len(counts) != len(rest):
            raise DataError(f"{path}: a code point stands there twice")
        return cls(counts, int(first.split(b"\t")[1]))
