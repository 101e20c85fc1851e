"""The dimensions of a masked language model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.families.attention_sizes import AttentionSizes, attention_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.masked.config import MaskedConfig


class MaskedSizes(AttentionSizes, frozen=True, kw_only=True, tag_field="family", tag="masked"):
    """The dimensions of a masked language model."""

    @classmethod
    def of(cls, word_counts: Sequence[int], model: MaskedConfig) -> MaskedSizes:
        """The sizes that a configuration asks for, with a vocabulary of these counts, by id."""
        return cls(**attention_sizes(word_counts, model))
