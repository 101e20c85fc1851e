"""Tokenization: normalization, segmentation and stop words, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.text.normalization import Normalization
    from lmctl.text.segmentation import Segmenter

# If a larger share of the lines of a text is tagged, the tags mark sentences. HTML has <s>, too.
TAGGED_SHARE = 0.01

SENTENCE_START_TAG, SENTENCE_END_TAG = "<s>", "</s>"


@dataclass(frozen=True)
class Tokenizer:
    """Turns decoded lines into tokens. Can be sent to a worker process.

    Attributes:
        normalization: the normalization of the text.
        segmenter: the segmenter of the normalized text.
        stop_words: tokens that are left out. The constructor normalizes them like the text, and drops those of
            which that makes several words or none.
        strip_tags: whether `<s>` at the start of a line and `</s>` at its end are left out.
    """

    normalization: Normalization
    segmenter: Segmenter
    stop_words: frozenset[str]
    strip_tags: bool = False

    def __post_init__(self) -> None:
        # NFKC makes a blank and a macron of U+FFE3, and several words of U+FDFA.
        normalized = [self.normalization(word).split() for word in self.stop_words]
        object.__setattr__(self, "stop_words", frozenset(words[0] for words in normalized if len(words) == 1))

    def normalized(self, text: str) -> str:
        """Normalize a text of any number of lines, and strip their tags if `strip_tags`."""
        text = self.normalization(text)
        if self.strip_tags and has_tag(text):
            return "\n".join([_without_tags(line) if has_tag(line) else line for line in text.split("\n")])
        return text

    def segment(self, normalized_line: str) -> list[str]:
        """Tokens of a line that is normalized already."""
        tokens = self.segmenter.segment(normalized_line)
        if not self.stop_words:
            return tokens
        return [token for token in tokens if token not in self.stop_words]

    def tokens(self, line: str) -> list[str]:
        """Tokens of a line."""
        return self.segment(self.normalized(line))


def has_tag(text: str) -> bool:
    """Whether a text contains `<s>` or `</s>`."""
    return SENTENCE_START_TAG in text or SENTENCE_END_TAG in text


def is_tagged(line: str) -> bool:
    """Whether a line starts with `<s>` or ends with `</s>`, as some toolkits write sentences."""
    return has_tag(line) and _without_tags(line) != line.strip()


def tags_matter(tagged_lines: int, lines: int) -> bool:
    """Whether enough lines are tagged that the tags mark sentences, and are not words of the text."""
    return tagged_lines > TAGGED_SHARE * lines


def _without_tags(line: str) -> str:
    return line.strip().removeprefix(SENTENCE_START_TAG).removesuffix(SENTENCE_END_TAG).strip()
