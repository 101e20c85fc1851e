"""The dimensions of a feed-forward language model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.feedforward.config import FeedForwardConfig

MOST_WORDS = 64


class FeedForwardSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="feedforward"
):
    """The dimensions of a feed-forward language model.

    Attributes:
        order: n; the network predicts from the last n - 1 words.
        direct_connections: whether the embedded words also reach the softmax by a linear map.
        clusters: of the output's word vectors, and of the input's if the two are tied. One cluster is a full
            softmax, more are an adaptive one.
    """

    vocabulary_size: Dimension
    order: Annotated[int, Meta(ge=2, le=MOST_WORDS)]
    embedding_dim: Dimension
    hidden_units: Dimension
    direct_connections: bool
    tied: bool
    clusters: Clusters

    def __post_init__(self) -> None:
        """Refuse clusters that are not those of this vocabulary and these dimensions."""
        self.word_layers.check()

    @property
    def context_words(self) -> int:
        """How many words the network predicts from, n - 1."""
        return self.order - 1

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
    def of(cls, word_counts: Sequence[int], model: FeedForwardConfig) -> FeedForwardSizes:
        """The sizes that a configuration asks for, with a vocabulary of these counts, by id."""
        return cls(
            vocabulary_size=len(word_counts),
            order=model.order,
            embedding_dim=model.embedding_dim,
            hidden_units=model.hidden_units,
            direct_connections=model.direct_connections,
            tied=model.tied,
            clusters=softmax_clusters(
                word_counts, model.softmax, model.embedding_dim if model.tied else model.hidden_units
            ),
        )
