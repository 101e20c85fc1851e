"""The dimensions of an n-gram model in model.json, and the names of its files."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# A bound for records from unknown sources, far above the order of any model.
MOST_ORDERS = 100

# The highest order whose quantised shares have 8 bits; those of longer n-grams have 4. Nine tenths of the n-grams
# of order 4, and nearly all of order 5, have one of 15 shares, because their counts are 1 or 2.
MOST_WORDS_OF_8_BITS = 3


class NgramSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="ngram"
):
    """The dimensions of an n-gram model.

    Attributes:
        vocabulary_size: V.
        smoothing: how the probabilities were estimated; "arpa": they were imported.
        quantize: 8: the tables have quantised shares (shares.py); 32: log probabilities and back-off weights.
        ngrams: number of n-grams of each order, from order 1, which has V.
    """

    vocabulary_size: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    smoothing: Literal["kneser-ney", "mle", "arpa"]
    quantize: Literal[8, 32]
    ngrams: Annotated[list[Annotated[int, Meta(ge=0, le=1 << 60)]], Meta(max_length=MOST_ORDERS)]

    def __post_init__(self) -> None:
        """Refuse impossible sizes."""
        if not self.ngrams or self.ngrams[0] != self.vocabulary_size or min(self.ngrams[0] - 1, *self.ngrams) < 0:
            raise ValueError(f"n-gram counts {self.ngrams} do not fit a vocabulary of {self.vocabulary_size}")
        if max(self.ngrams) << word_bits(self.vocabulary_size) > 1 << 63:
            raise ValueError(f"{max(self.ngrams)} n-grams of {self.vocabulary_size} words have no room in 64 bits")

    @property
    def order(self) -> int:
        """Number of words of the longest n-grams."""
        return len(self.ngrams)

    def table_names(self) -> list[str]:
        """The names of all files of the model."""
        return [table_name(order, kind) for order in range(1, self.order + 1) for kind in self._kinds(order)]

    def _kinds(self, order: int) -> list[str]:
        kinds = ["words", "contexts"] * (order > 1)
        if self.quantize == 8:
            return [*kinds, "probs" if order == 1 else "shares"]
        return [*kinds, "log_probs", *["backoffs"] * (order < self.order)]


def word_bits(vocabulary_size: int) -> int:
    """Number of bits for a word id in a key (`keys.make_keys`)."""
    return (vocabulary_size - 1).bit_length()


def share_bits(order: int) -> int:
    """Number of bits for the quantised share of an n-gram, given its number of words."""
    return 8 if order <= MOST_WORDS_OF_8_BITS else 4


def table_name(order: int, kind: str) -> str:
    """The name of the file of a table; tables.py lists the kinds."""
    return f"ngrams.{order}.{kind}.npy"
