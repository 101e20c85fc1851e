"""The dimensions of an n-gram model in model.json, and the names of its files."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# A bound for records from unknown sources, far above the order of any model.
MOST_ORDERS = 100


class NgramSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="ngram"
):
    """The dimensions of an n-gram model.

    Attributes:
        vocabulary_size: V.
        smoothing: how the probabilities were estimated; "arpa": they were imported.
        ngrams: number of n-grams of each order, from order 1, which has V.
    """

    vocabulary_size: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    smoothing: Literal["kneser-ney", "mle", "arpa"]
    ngrams: Annotated[list[Annotated[int, Meta(ge=0, le=1 << 60)]], Meta(max_length=MOST_ORDERS)]

    def __post_init__(self) -> None:
        """Refuse impossible sizes."""
        if not self.ngrams or self.ngrams[0] != self.vocabulary_size or min(self.ngrams[0] - 1, *self.ngrams) < 0:
            raise ValueError(f"n-gram counts {self.ngrams} do not fit a vocabulary of {self.vocabulary_size}")
        if max(self.ngrams) << self.word_bits > 1 << 63:
            raise ValueError(f"{max(self.ngrams)} n-grams of {self.vocabulary_size} words have no room in 64 bits")

    @property
    def order(self) -> int:
        """Number of words of the longest n-grams."""
        return len(self.ngrams)

    @property
    def word_bits(self) -> int:
        """Number of bits for a word id in a key."""
        return word_bits(self.vocabulary_size)

    def table_names(self) -> list[str]:
        """The names of all files of the model."""
        return [table_name(order, kind) for order in range(1, self.order + 1) for kind in self._kinds(order)]

    def _kinds(self, order: int) -> list[str]:
        return ["keys"] * (order > 1) + ["log_probs"] + ["backoffs"] * (order < self.order)


def word_bits(vocabulary_size: int) -> int:
    """Number of bits for a word id in a key (`tables.make_keys`)."""
    return (vocabulary_size - 1).bit_length()


def table_name(order: int, kind: str) -> str:
    """The name of the file of a table; `kind` is "keys", "log_probs" or "backoffs"."""
    return f"ngrams.{order}.{kind}.npy"
