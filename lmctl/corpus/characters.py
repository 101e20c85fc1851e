"""What it costs to spell a word that the vocabulary does not have.

Bits per character compares models of any vocabulary and segmenter, so an out-of-vocabulary word must pay for
more than `<unk>`: it pays for its characters and an end, under the character unigram of the training text with
one added to every count. The alphabet is every Unicode scalar value and the end, so any text has a finite cost.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

UNICODE_SCALAR_VALUES = 0x110000 - 0x800
ALPHABET_SIZE = UNICODE_SCALAR_VALUES + 1
END = "end"


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
        try:
            first, *rest = path.read_text(encoding="utf-8").splitlines()
            name, words = first.split("\t")
            if name != END:
                raise DataError(f"{path}: the first line counts word ends")
            pairs = (line.split("\t") for line in rest)
            return cls({chr(int(point)): int(count) for point, count in pairs}, int(words))
        except (ValueError, OverflowError) as error:
            raise DataError(f"{path}: expected a code point, a TAB and a count on each line") from error
