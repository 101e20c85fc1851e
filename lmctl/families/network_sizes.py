"""The dimensions that model.json has of every network with an embedding, hidden units and a softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

# A bound for records from unknown sources, far above the number of layers of any model.
MOST_LAYERS = 64


class NetworkSizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The dimensions that these families share; a family adds its own, and its name as the tag.

    Attributes:
        vocabulary_size: V.
        embedding_dim: E, the length of an input word vector.
        hidden_units: H, the length of the hidden vectors that the softmax reads.
        tied: see `WordLayers`.
        clusters: see `WordLayers`.
    """

    vocabulary_size: Dimension
    embedding_dim: Dimension
    hidden_units: Dimension
    tied: bool
    clusters: Clusters

    def __post_init__(self) -> None:
        """Refuse clusters that do not fit the vocabulary and the dimensions."""
        self.word_layers.check()

    @property
    def word_layers(self) -> WordLayers:
        """The embedding and the softmax."""
        return WordLayers(
            vocabulary_size=self.vocabulary_size,
            embedding_dim=self.embedding_dim,
            hidden_dim=self.hidden_units,
            tied=self.tied,
            clusters=self.clusters,
        )


def shared_sizes(word_counts: Sequence[int], model: Any) -> dict[str, Any]:
    """The fields of `NetworkSizes` for a configuration and a vocabulary.

    Args:
        word_counts: counts of the words in the training text, by id, (V,).
        model: a configuration with embedding_dim, hidden_units, tied, softmax and cutoffs.
    """
    return {
        "vocabulary_size": len(word_counts),
        "embedding_dim": model.embedding_dim,
        "hidden_units": model.hidden_units,
        "tied": model.tied,
        "clusters": softmax_clusters(
            word_counts,
            model.softmax,
            model.embedding_dim if model.tied else model.hidden_units,
            model.cutoffs,
        ),
    }
