"""Tokenization: normalization, segmentation and stop words, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.text.normalization import Normalization
    from lmctl.text.segmentation import Segmenter


@dataclass(frozen=True)
class Tokenizer:
    """Everything between a decoded line and its tokens; can be sent to a worker process.

    Attributes:
        normalization: what is done to the text first.
        segmenter: what cuts it.
        stop_words: tokens to leave out; normalized like the text when the tokenizer is made.
    """

    normalization: Normalization
    segmenter: Segmenter
    stop_words: frozenset[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_words", frozenset(map(self.normalization, self.stop_words)))

    def normalized(self, text: str) -> str:
        """Normalize a text of any number of lines."""
        return self.normalization(text)

    def tokens(self, line: str) -> list[str]:
        """Tokens of one line."""
        return self._cut(self.normalization(line))

    def tokenize_lines(self, lines: list[str]) -> list[list[str]]:
        """Tokens of each line, as `tokens` gives them; faster than one line at a time."""
        normalized = self.normalization("\n".join(lines)).split("\n")
        # Not so where a line has a line end inside, or where there is no line at all.
        if len(normalized) != len(lines):
            return [self.tokens(line) for line in lines]
        if self.stop_words:
            return [self._cut(line) for line in normalized]
        return list(map(self.segmenter.segment, normalized))

    def _cut(self, line: str) -> list[str]:
        tokens = self.segmenter.segment(line)
        if not self.stop_words:
            return tokens
        return [token for token in tokens if token not in self.stop_words]
