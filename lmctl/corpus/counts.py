"""Structs and field types that the records of corpora and of bundles share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

# Records may come from an unknown source, so every value has bounds.
Count = Annotated[int, Meta(ge=0, le=1 << 60)]
Name = Annotated[str, Meta(max_length=20_000)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input file: its name, its split ("train" or "valid"), and size and SHA-256 of its decompressed bytes."""

    name: Name
    split: Name
    bytes: Count
    sha256: Name


class SplitCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The counts of a split.

    Attributes:
        sentences: number of sentences.
        words: number of words, out-of-vocabulary words included.
        oov: number of out-of-vocabulary words.
        characters: number of characters of the normalized lines, with one for each line end.
    """

    sentences: Count = 0
    words: Count = 0
    oov: Count = 0
    characters: Count = 0

    def __post_init__(self) -> None:
        """Refuse more out-of-vocabulary words than there are words."""
        if self.oov > self.words:
            raise ValueError(f"{self.oov} of {self.words} words are out of the vocabulary")

    def __add__(self, other: SplitCounts) -> SplitCounts:
        return SplitCounts(
            sentences=self.sentences + other.sentences,
            words=self.words + other.words,
            oov=self.oov + other.oov,
            characters=self.characters + other.characters,
        )

    @property
    def tokens(self) -> int:
        """Length of the id stream: the words, and one `</s>` for each sentence."""
        return self.words + self.sentences

    @property
    def oov_rate(self) -> float:
        """Out-of-vocabulary words divided by all words; 0 if there are no words."""
        return self.oov / self.words if self.words else 0.0
