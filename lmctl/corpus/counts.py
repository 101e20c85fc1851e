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
    """One input file.

    Attributes:
        name: its path, or "-".
        split: "train" or "valid".
        bytes: size of its decompressed bytes.
        sha256: their SHA-256.
        sentences: number of its sentences in that split; held-out lines of a training text are left out.
        known_sentences: number of sentences at its start that the old model of a warm start was trained on.
    """

    name: Name
    split: Name
    bytes: Count
    sha256: Name
    sentences: Count
    known_sentences: Count = 0


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
