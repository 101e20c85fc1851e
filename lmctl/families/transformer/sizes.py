"""The dimensions of a Transformer language model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lmctl.families.attention_sizes import AttentionSizes, attention_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.transformer.config import TransformerConfig


class TransformerSizes(AttentionSizes, frozen=True, kw_only=True, tag_field="family", tag="transformer"):
    """The dimensions of a Transformer language model.

    Attributes:
        positions: how attention distinguishes positions.
    """

    positions: Literal["rotary", "alibi"]

    @property
    def has_rotary_positions(self) -> bool:
        """See `AttentionSizes.has_rotary_positions`."""
        return self.positions == "rotary"

    @classmethod
    def of(cls, word_counts: Sequence[int], model: TransformerConfig) -> TransformerSizes:
        """The sizes of a configuration, for a vocabulary with these counts, by id."""
        return cls(positions=model.positions, **attention_sizes(word_counts, model))
