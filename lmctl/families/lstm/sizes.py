"""The dimensions of an LSTM language model in model.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.lstm.config import LSTMConfig

# A bound for records from unknown sources, far above the number of layers of any model.
MOST_LAYERS = 64


class LSTMSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="lstm"
):
    """The dimensions of an LSTM language model.

    Attributes:
        vocabulary_size: V.
        embedding_dim: E, the length of an input word vector.
        hidden_units: H, the units of each layer.
        layers: L, the number of layers.
        tied: see `WordLayers`.
        clusters: see `WordLayers`.
    """

    vocabulary_size: Dimension
    embedding_dim: Dimension
    hidden_units: Dimension
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
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

    @classmethod
    def of(cls, word_counts: Sequence[int], model: LSTMConfig) -> LSTMSizes:
        """The sizes for a configuration and a vocabulary; `word_counts` are by id, (V,)."""
        return cls(
            vocabulary_size=len(word_counts),
            embedding_dim=model.embedding_dim,
            hidden_units=model.hidden_units,
            layers=model.layers,
            tied=model.tied,
            clusters=softmax_clusters(
                word_counts, model.softmax, model.embedding_dim if model.tied else model.hidden_units
            ),
        )
