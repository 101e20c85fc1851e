"""The vocabulary: the words that have an id.

Ids are in the order of falling counts, ties in code-point order, so a text has the same ids on every machine. In a
warm start, the words of the old model come first, in their old order. Two
special tokens come first. `<unk>` (id 0) replaces every word outside the vocabulary. `</s>` (id 1) ends a
sentence, and is the context of the first word of a sentence.
"""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.records import read_regular, shortened
from lmctl.text.limits import LONGEST_WORD_BYTES, check_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

UNKNOWN, UNKNOWN_ID = "<unk>", 0
SENTENCE_END, SENTENCE_END_ID = "</s>", 1
SPECIALS = (UNKNOWN, SENTENCE_END)

# Words of a text that never get an id of their own, so that no model predicts them: `<unk>`, which stands for
# unknown words in the Penn Treebank and WikiText, and the sentence tags of other toolkits.
NEVER_WORDS = frozenset({UNKNOWN, SENTENCE_END, "<s>"})

# Most digits of a count. No text has a larger count.
LONGEST_COUNT = 18
LONGEST_LINE_BYTES = LONGEST_WORD_BYTES + len("\t") + LONGEST_COUNT + len("\n")
LARGEST_VOCABULARY_BYTES = 4 << 30

_ALL_BUT_SEPARATORS = bytes(set(range(256)) - set(b"\t\n"))


class _Ids(dict[str, int]):
    """The id of each word. A text is encoded without a Python operation for each known word."""

    def __missing__(self, word: str) -> int:
        return UNKNOWN_ID


class Vocabulary:
    """Words and their ids, 0 to V - 1.

    Args:
        words: all words in the order of their ids, `<unk>` and `</s>` first.
        counts: the number of occurrences of each word in the training text, in the same order.

    Raises:
        DataError: the special tokens are not first, a word occurs twice, is empty, too long or contains white
            space, or there are not as many counts as words.
    """

    def __init__(self, words: Sequence[str], counts: Sequence[int]) -> None:
        self._words = tuple(words)
        self._counts = tuple(counts)
        if self._words[:2] != SPECIALS:
            raise DataError(f"a vocabulary starts with {UNKNOWN} and {SENTENCE_END}, not {list(words[:2])}")
        self._ids = _Ids(zip(self._words, range(len(self._words)), strict=True))
        if len(self._ids) != len(self._words) or len(self._counts) != len(self._words):
            raise DataError("a vocabulary has every word once, with its count")
        if " ".join(self._words).split() != list(self._words):
            raise DataError("a vocabulary has no word that is empty or has whitespace inside")
        if max(map(len, self._words)) * 4 > LONGEST_WORD_BYTES:
            for word in self._words:
                check_word(word, "the vocabulary")
        # A literal `</s>` in a text is an unknown word, not the end of its sentence.
        self._ids[SENTENCE_END] = UNKNOWN_ID

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in the order of their ids."""
        return self._words

    @property
    def counts(self) -> tuple[int, ...]:
        """The count of each word."""
        return self._counts

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return self.words == other.words and self.counts == other.counts

    def __hash__(self) -> int:
        return hash(self.words)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens. A token outside the vocabulary gets the id of `<unk>`."""
        return list(map(self._ids.__getitem__, tokens))

    def decode(self, token_ids: Iterable[int]) -> list[str]:
        """Words of ids."""
        return [self.words[token_id] for token_id in token_ids]

    def to_tsv(self) -> str:
        """The text of `vocabulary.tsv`: word TAB count. Line n, counted from 0, is id n."""
        return "".join(f"{word}\t{count}\n" for word, count in zip(self.words, self.counts, strict=True))

    @classmethod
    def from_tsv(cls, path: Path) -> Vocabulary:
        """Read `vocabulary.tsv`.

        Raises:
            DataError: the file has another format than `to_tsv` writes; the message names file and line.
        """
        return cls.from_tsv_content(read_regular(path, LARGEST_VOCABULARY_BYTES), path)

    @classmethod
    def from_tsv_content(cls, content: bytes, path: Path) -> Vocabulary:
        """Like `from_tsv`, for a file that is already in memory; `path` is for messages."""
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: byte {error.start} is not valid UTF-8") from error
        if not content.endswith(b"\n"):
            raise DataError(f"{path}: {'cut off; the last line has no newline' if content else 'empty'}")
        # The text is split as a whole, without a list for each line, which is several times as fast.
        fields = text.replace("\n", "\t").split("\t")
        words, counts = fields[:-1:2], fields[1::2]
        digits = "".join(counts)
        alternate = content.translate(None, _ALL_BUT_SEPARATORS) == b"\t\n" * len(words)
        numbers = digits.isdecimal() and digits.isascii() and max(map(len, counts)) <= LONGEST_COUNT
        if not (alternate and all(words) and all(counts) and numbers):
            raise _bad_line(path, text)
        try:
            return cls(words, tuple(map(int, counts)))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _bad_line(path: Path, text: str) -> DataError:
    """Make the error for the first line that is not a word, a TAB and a count. There is such a line."""
    number, line = next(
        (number, line)
        for number, line in enumerate(text.split("\n"), start=1)
        if not re.fullmatch(rf"[^\t]+\t[0-9]{{1,{LONGEST_COUNT}}}", line)
    )
    return DataError(f"{path}, line {number}: expected a word, a TAB and its count, got {shortened(line, 80)!r}")


def choose_vocabulary(
    counts: Iterable[tuple[str, int]], *, size: int | None, min_count: int
) -> list[tuple[str, int]]:
    """Choose the most frequent words, by falling count, ties in code-point order, without `NEVER_WORDS`.

    Args:
        counts: every distinct word with its count, in any order.
        size: most entries of the vocabulary, the two special tokens included; None: no limit.
        min_count: lowest count of a word that is chosen.

    Returns:
        The chosen words with their counts.
    """
    eligible = ((-count, word) for word, count in counts if count >= max(min_count, 1) and word not in NEVER_WORDS)
    # nsmallest keeps at most `size` words in memory.
    chosen = sorted(eligible) if size is None else heapq.nsmallest(size - len(SPECIALS), eligible)
    return [(word, -negative) for negative, word in chosen]
