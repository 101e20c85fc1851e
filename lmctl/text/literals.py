"""Words that are found as they are written, before a segmenter cuts what stands between them.

No segmenter that follows a dictionary joins over punctuation or white space, so words with either inside are
looked for here: `<unk>`, `<s>` and `</s>`, and those of a user dictionary.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING

from lmctl.text.scripts import WITHOUT_SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# What stands for no word of the text, under every segmenter; the vocabulary calls them unknown.
RESERVED = ("<unk>", "<s>", "</s>")

_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


def as_token(word: str) -> str:
    """A word as the token it becomes: with `_` for white space, since no token has any."""
    return "_".join(word.split())


class Literals:
    """A set of words to look for; the leftmost match counts, and of those the longest.

    A word that starts or ends with a letter or digit is not found inside a longer word of a script with spaces:
    `.NET` is found in `ASP.NET用户`, and `A/B` not in `A/Best`.

    Args:
        words: those beside the reserved ones. One with white space inside is found with any white space there, and
            also as `as_token` writes it.
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
        """Cut a line into these words and the tokens of what stands between them.

        Args:
            line: of text.
            cut_rest: cuts what stands between, a part of the line.
        """
        if self._starts.search(line) is None:
            return cut_rest(line)
        line = " ".join(line.split())
        tokens: list[str] = []
        done = position = 0
        while start := self._starts.search(line, position):
            position = start.start()
            end = self._end_of_match(line, position)
            if not end:
                position += 1
                continue
            if position > done:
                tokens += cut_rest(line[done:position])
            tokens.append(self._tokens[line[position:end]])
            done = position = end
        if done < len(line):
            tokens += cut_rest(line[done:])
        return tokens

    def _end_of_match(self, line: str, start: int) -> int:
        """Where the longest word that starts there ends; 0 if none does."""
        if start and _is_joined(line[start - 1], line[start]):
            return 0
        for length in self._lengths[line[start]]:
            end = start + length
            if line[start:end] not in self._tokens:
                continue
            if end >= len(line) or not _is_joined(line[end - 1], line[end]):
                return min(end, len(line))
        return 0


@functools.lru_cache(maxsize=1 << 16)
def _is_joined(left: str, right: str) -> bool:
    """Do two neighbouring characters belong to one word, as letters of a script with spaces do?"""
    if unicodedata.combining(right):
        return True
    if not (left.isalnum() and right.isalnum()):
        return False
    return not (_WITHOUT_SPACES.match(left) or _WITHOUT_SPACES.match(right))
