"""Tokenization: normalization, segmentation and stop words, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.text.normalization import Normalization
    from lmctl.text.segmentation import Segmenter

# Of the lines of a text; HTML has <s>, too.
TAGGED_SHARE = 0.01

SENTENCE_START_TAG, SENTENCE_END_TAG = "<s>", "</s>"


@dataclass(frozen=True)
class Tokenizer:
    """Everything between a decoded line and its tokens; can be sent to a worker process.

    Attributes:
        normalization: what is done to the text first.
        segmenter: what cuts it.
        stop_words: tokens to leave out; normalized like the text when the tokenizer is made.
        strip_tags: whether `<s>` at the start of a line and `</s>` at its end are left out.
    """

    normalization: Normalization
    segmenter: Segmenter
    stop_words: frozenset[str]
    strip_tags: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop_words", frozenset(map(self.normalization, self.stop_words)))

    def normalized(self, text: str) -> str:
        """Normalize a text of any number of lines, and strip their tags where that is wanted."""
        text = self.normalization(text)
        if self.strip_tags and has_tag(text):
            return "\n".join([_without_tags(line) if has_tag(line) else line for line in text.split("\n")])
        return text

    def segment(self, normalized_line: str) -> list[str]:
        """Tokens of a line that has been normalized already."""
        tokens = self.segmenter.segment(normalized_line)
        if not self.stop_words:
            return tokens
        return [token for token in tokens if token not in self.stop_words]

    def tokens(self, line: str) -> list[str]:
        """Tokens of a line."""
        return self.segment(self.normalized(line))


def has_tag(text: str) -> bool:
    """Does `<s>` or `</s>` stand anywhere in a text?"""
    return SENTENCE_START_TAG in text or SENTENCE_END_TAG in text


def is_tagged(line: str) -> bool:
    """Does a line start with `<s>` or end with `</s>`, as recipes of other toolkits have it?"""
    return has_tag(line) and _without_tags(line) != line.strip()


def tags_matter(tagged_lines: int, lines: int) -> bool:
    """Are so many lines tagged that it is how the text is written, and not what it is about?"""
    return tagged_lines > TAGGED_SHARE * lines


def _without_tags(line: str) -> str:
    return line.strip().removeprefix(SENTENCE_START_TAG).removesuffix(SENTENCE_END_TAG).strip()
