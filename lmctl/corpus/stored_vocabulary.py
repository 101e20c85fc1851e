"""The vocabulary of a bundle, looked up in the bytes of `vocabulary.tsv`.

A query needs the ids of a few words and the words of a few ids. Making a string for each of the words and a
dictionary of them takes longer than most queries.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import LONGEST_COUNT, SENTENCE_END, SPECIALS, UNKNOWN_ID, Vocabulary
from lmctl.text.limits import LONGEST_WORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lmctl.arrays import IntArray

# So many words are searched for in the bytes. Then a dictionary of all words is made, which takes about as long as
# a hundred searches.
FEW = 64

_TAB, _LINE_END = b"\t\n"
_ALL_BUT_ASCII_SPACES = bytes(set(range(256)) - set(b"\t\n\v\f\r\x1c\x1d\x1e\x1f "))
# The other characters that str.split separates at.
_OTHER_SPACES = (*map(chr, range(0x2000, 0x200B)), *"\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000")
_START = "".join(f"{word}\t" for word in SPECIALS)


class StoredVocabulary(Vocabulary):
    """A vocabulary in the bytes of its file. `open_vocabulary` makes it.

    That no word occurs twice is checked when all words are needed, and by `lmctl verify`.

    Args:
        content: of `vocabulary.tsv`, well-formed.
        path: of the file, for messages.
        starts: the place of the first byte of each word, (V,).
        ends: the place after the last byte of each word, (V,).
    """

    def __init__(self, content: bytes, path: Path, starts: IntArray, ends: IntArray) -> None:
        self._content = content
        self._path = path
        self._starts = starts
        self._ends = ends
        self._searched = 0

    @cached_property
    def _whole(self) -> Vocabulary:
        return Vocabulary.from_tsv_content(self._content, self._path)

    @property
    def words(self) -> tuple[str, ...]:
        """All words, in the order of their ids."""
        return self._whole.words

    @property
    def counts(self) -> tuple[int, ...]:
        """The count of each word."""
        return self._whole.counts

    def __len__(self) -> int:
        return len(self._starts)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """See `Vocabulary.encode`."""
        tokens = list(tokens)
        self._searched += len(tokens)
        return [self._search(token) for token in tokens] if self._searched <= FEW else self._whole.encode(tokens)

    def decode(self, token_ids: Iterable[int]) -> list[str]:
        """See `Vocabulary.decode`."""
        return [self._content[self._starts[each] : self._ends[each]].decode() for each in token_ids]

    def _search(self, token: str) -> int:
        # No word has white space. With it, a token could match parts of two lines.
        if token == SENTENCE_END or token.split() != [token]:
            return UNKNOWN_ID
        place = self._content.find(b"\n%b\t" % token.encode("utf-8", "surrogatepass"))
        return UNKNOWN_ID if place < 0 else int(np.searchsorted(self._starts, place + 1))


def open_vocabulary(content: bytes, path: Path) -> Vocabulary:
    """Open a vocabulary for queries.

    Args:
        content: of `vocabulary.tsv`.
        path: of the file, for messages.

    Raises:
        DataError: as `Vocabulary.from_tsv_content`; a word that occurs twice is not noticed yet.
    """
    places = np.frombuffer(content, dtype=np.uint8)
    tabs, line_ends = np.flatnonzero(places == _TAB), np.flatnonzero(places == _LINE_END)
    if len(tabs) != len(line_ends) or not _is_well_formed(content, places, tabs, line_ends):
        # It finds the fault, and names the line.
        return Vocabulary.from_tsv_content(content, path)
    return StoredVocabulary(content, path, _after(line_ends), tabs)


def _is_well_formed(content: bytes, places: IntArray, tabs: IntArray, line_ends: IntArray) -> bool:
    """Whether each line is a word, a TAB and a count. There are as many tabs as line ends."""
    if content.translate(None, _ALL_BUT_ASCII_SPACES) != b"\t\n" * len(tabs) or not content.endswith(b"\n"):
        return False
    lengths, digits = tabs - _after(line_ends), line_ends - tabs - 1
    if not (_within(lengths, LONGEST_WORD_BYTES) and _within(digits, LONGEST_COUNT)):
        return False
    digits_before = np.cumsum((places >= ord("0")) & (places <= ord("9")))
    if not np.array_equal(digits_before[line_ends] - digits_before[tabs], digits):
        return False
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    specials = [content[start : end + 1] for start, end in zip(_after(line_ends)[:2], tabs[:2], strict=True)]
    return b"".join(specials).decode() == _START and (
        text.isascii() or not any(space in text for space in _OTHER_SPACES)
    )


def _after(line_ends: IntArray) -> IntArray:
    """The place of the first byte of each line."""
    return np.concatenate([[0], line_ends[:-1] + 1])


def _within(lengths: IntArray, most: int) -> bool:
    return bool(len(lengths) and lengths.min() > 0 and lengths.max() <= most)
