"""Literals: words that are searched for in a line before the segmenter cuts the text between them.

The segmenters with a dictionary never join over punctuation or white space. So words that have these inside are
literals: `<unk>`, `<s>` and `</s>`, and such words of a user dictionary.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from lmctl.text.marks import base_before, is_mark
from lmctl.text.scripts import WITHOUT_SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Tokens that are no words of a text, under every segmenter. In the vocabulary they are unknown words.
RESERVED = ("<unk>", "<s>", "</s>")

_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


def as_token(word: str) -> str:
    """The token of a word: white space becomes `_`, since a token has no white space."""
    return "_".join(word.split())


class Literals:
    """A set of words to search for. The leftmost match is taken, and the longest of several at one place.

    A match may not begin or end inside a longer word of a script with spaces: `.NET` is found in `ASP.NET用户`,
    but `A/B` is not found in `A/Best`. Nor may it end before a mark of its last character.

    Args:
        words: words beside `RESERVED`. White space inside a word matches any white space. The spelling of
            `as_token` matches, too.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._tokens: dict[str, str] = {}
        for word in (*RESERVED, *words):
            token = as_token(word)
            self._tokens[" ".join(word.split())] = self._tokens[token] = token
        lengths: dict[str, set[int]] = {}
        for spelling in self._tokens:
            lengths.setdefault(spelling[0], set()).add(len(spelling))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        self._starts = re.compile(f"[{re.escape(''.join(self._lengths))}]")

    def cut(self, line: str, cut_rest: Callable[[str], list[str]]) -> list[str]:
        """Segment a line.

        Args:
            line: a line of text.
            cut_rest: a function that segments the text between two literals.

        Returns:
            The tokens: literals, and the tokens of the text between them.
        """
        if self._starts.search(line) is None:
            return cut_rest(line)
        tokens: list[str] = []
        for text, token in self.parts(" ".join(line.split())):
            tokens += cut_rest(text) if token is None else [token]
        return tokens

    def parts(self, line: str) -> Iterator[tuple[str, str | None]]:
        """The parts of a line in which blanks are the only white space: each with its token if it is a literal.

        Together the parts are the line.
        """
        done = position = 0
        while start := self._starts.search(line, position):
            position = start.start()
            end = self._end_of_match(line, position)
            if not end:
                position += 1
                continue
            if position > done:
                yield line[done:position], None
            yield line[position:end], self._tokens[line[position:end]]
            done = position = end
        if done < len(line):
            yield line[done:], None

    def _end_of_match(self, line: str, start: int) -> int:
        """The place after the longest literal that starts at `start`; 0: none starts there."""
        if start and self._is_inside(line, start):
            return 0
        for length in self._lengths[line[start]]:
            end = start + length
            if line[start:end] not in self._tokens:
                continue
            if end >= len(line) or not self._is_inside(line, end):
                return min(end, len(line))
        return 0

    @staticmethod
    def _is_inside(line: str, place: int) -> bool:
        """Whether a place between two characters is inside a word of a script with spaces."""
        left, right = base_before(line, place), line[place]
        if is_mark(right):
            # The non-joiner of Persian stands between the parts of a word, and between `<unk>` and an ending.
            return right != "\u200c" or left.isalnum()
        return _are_joined(left, right)


@functools.lru_cache(maxsize=1 << 16)
def _are_joined(left: str, right: str) -> bool:
    """Whether two characters, with nothing but marks between them, belong to one word of a script with spaces."""
    if not (left.isalnum() and right.isalnum()):
        return False
    return not (_WITHOUT_SPACES.match(left) or _WITHOUT_SPACES.match(right))
