"""The dimensions of a Transformer language model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.families.network_sizes import MOST_LAYERS
from lmctl.layers.attention import MOST_CONTEXT
from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.transformer.config import TransformerConfig


class TransformerSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="transformer"
):
    """The dimensions of a Transformer language model.

    Attributes:
        hidden_units: D, the length of every vector between layers, and of a word's vector.
        heads: A, number of attention heads in each layer.
        feedforward_units: F.
        context: number of positions that a position sees in each layer, itself included.
        positions: how attention distinguishes positions.
        clusters: clusters of the word vectors of the output, and of the input if the two are tied. One cluster is
            a full softmax; several are an adaptive one.
    """

    vocabulary_size: Dimension
    hidden_units: Dimension
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
    heads: Dimension
    feedforward_units: Dimension
    context: Annotated[int, Meta(ge=1, le=MOST_CONTEXT)]
    positions: Literal["rotary", "alibi"]
    tied: bool
    clusters: Clusters

    def __post_init__(self) -> None:
        """Refuse clusters that do not fit the vocabulary, and heads that do not fit the vectors."""
        self.word_layers.check()
        if problem := heads_problem(self.hidden_units, self.heads, self.positions):
            raise ValueError(problem)

    @property
    def head_dim(self) -> int:
        """K, the length of the vectors of one head."""
        return self.hidden_units // self.heads

    @property
    def word_layers(self) -> WordLayers:
        """The embedding and the softmax."""
        return WordLayers(
            vocabulary_size=self.vocabulary_size,
            embedding_dim=self.hidden_units,
            hidden_dim=self.hidden_units,
            tied=self.tied,
            clusters=self.clusters,
        )

    @classmethod
    def of(cls, word_counts: Sequence[int], model: TransformerConfig) -> TransformerSizes:
        """The sizes of a configuration, for a vocabulary with these counts, by id."""
        return cls(
            vocabulary_size=len(word_counts),
            hidden_units=model.hidden_units,
            layers=model.layers,
            heads=model.heads,
            feedforward_units=model.feedforward_units,
            context=model.context,
            positions=model.positions,
            tied=model.tied,
            clusters=softmax_clusters(word_counts, model.softmax, model.hidden_units),
        )


def heads_problem(hidden_units: int, heads: int, positions: str) -> str | None:
    """Return why vectors of this length cannot be divided among this many heads; None if they can."""
    if hidden_units % heads:
        return f"heads: {heads} does not divide hidden_units, {hidden_units}"
    if positions == "rotary" and hidden_units // heads % 2:
        return f"heads: {heads} of {hidden_units} hidden_units have an odd length, and rotary positions turn pairs"
    return None
