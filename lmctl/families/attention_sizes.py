"""The dimensions that model.json has of every network with layers of attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from lmctl.families.network_sizes import MOST_LAYERS
from lmctl.layers.attention import MOST_CONTEXT
from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence


class AttentionSizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dimensions that these families share; a family adds its own, and its name as the tag.

    Attributes:
        vocabulary_size: V.
        hidden_units: D, the length of every vector between layers, and of a word's vector.
        layers: L.
        heads: A, number of attention heads in each layer.
        feedforward_units: F.
        context: number of positions that a position can see in each layer, itself included.
        tied: see `WordLayers`.
        clusters: see `WordLayers`.
    """

    vocabulary_size: Dimension
    hidden_units: Dimension
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
    heads: Dimension
    feedforward_units: Dimension
    context: Annotated[int, Meta(ge=1, le=MOST_CONTEXT)]
    tied: bool
    clusters: Clusters

    def __post_init__(self) -> None:
        """Refuse clusters that do not fit the vocabulary, and heads that do not fit the vectors."""
        self.word_layers.check()
        if problem := heads_problem(self.hidden_units, self.heads, self.has_rotary_positions):
            raise ValueError(problem)

    @property
    def has_rotary_positions(self) -> bool:
        """Whether positions are rotary, which needs heads of an even length."""
        return True

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


def attention_sizes(word_counts: Sequence[int], model: Any) -> dict[str, Any]:
    """The fields of `AttentionSizes` for a configuration and a vocabulary.

    Args:
        word_counts: counts of the words in the training text, by id, (V,).
        model: a configuration with the keys of the same names, softmax and cutoffs.
    """
    return {
        "vocabulary_size": len(word_counts),
        "hidden_units": model.hidden_units,
        "layers": model.layers,
        "heads": model.heads,
        "feedforward_units": model.feedforward_units,
        "context": model.context,
        "tied": model.tied,
        "clusters": softmax_clusters(word_counts, model.softmax, model.hidden_units, model.cutoffs),
    }


def heads_problem(hidden_units: int, heads: int, is_rotary: bool) -> str | None:
    """Return why vectors of this length cannot be divided among this many heads; None if they can."""
    if hidden_units % heads:
        return f"heads: {heads} does not divide hidden_units, {hidden_units}"
    if is_rotary and hidden_units // heads % 2:
        return f"heads: {heads} of {hidden_units} hidden_units have an odd length, and rotary positions turn pairs"
    return None
