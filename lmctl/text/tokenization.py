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

    def segment(self, normalized_line: str) -> list[str]:
        """Tokens of a line that has been normalized already."""
        tokens = self.segmenter.segment(normalized_line)
        if not self.stop_words:
            return tokens
        return [token for token in tokens if token not in self.stop_words]

    def tokens(self, line: str) -> list[str]:
        """Tokens of a line."""
        return self.segment(self.normalized(line))
