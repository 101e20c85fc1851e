"""The dimensions of a model, as its model.json has them: a struct for each family, told apart by `family`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.clusters import Cluster, choose_clusters, one_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.lstm.config import LSTMConfig

# `model.softmax: auto` is adaptive for vocabularies of this many words and more: below, a full softmax takes fewer
# multiplications than the recurrence of the preset medium.
ADAPTIVE_FROM = 5000


# What is far from all models, and still small enough that memory for names and shapes does not count.
MOST_LAYERS, MOST_CLUSTERS = 64, 64

# Of an array.
Dimension = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class LSTMSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="lstm"
):
    """The dimensions of an LSTM language model.

    Attributes:
        clusters: those of the output's word vectors, and of the input's where the two are tied; one is a full
            softmax, more are an adaptive one.
    """

    vocabulary_size: Dimension
    embedding_dim: Dimension
    hidden_units: Dimension
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
    tied: bool
    clusters: Annotated[list[Cluster], Meta(max_length=MOST_CLUSTERS)]

    def __post_init__(self) -> None:
        """Refuse clusters that are not those of this vocabulary and these dimensions."""
        words = [cluster.words for cluster in self.clusters]
        width = self.embedding_dim if self.tied else self.hidden_units
        fits = sum(words) == self.vocabulary_size and min(words, default=0) > 0
        if not fits or self.clusters[0].width != width or min(cluster.width for cluster in self.clusters) < 1:
            raise ValueError(f"clusters do not fit a vocabulary of {self.vocabulary_size} and vectors of {width}")

    @property
    def input_clusters(self) -> list[Cluster]:
        """The clusters of the input's word vectors."""
        return self.clusters if self.tied else one_cluster(self.vocabulary_size, self.embedding_dim)

    @classmethod
    def of(cls, word_counts: Sequence[int], model: LSTMConfig) -> LSTMSizes:
        """The sizes that a configuration asks for, with a vocabulary of these counts, by id."""
        size, dim = len(word_counts), model.embedding_dim if model.tied else model.hidden_units
        adaptive = model.softmax == "adaptive" or (model.softmax == "auto" and size >= ADAPTIVE_FROM)
        return cls(
            vocabulary_size=size,
            embedding_dim=model.embedding_dim,
            hidden_units=model.hidden_units,
            layers=model.layers,
            tied=model.tied,
            clusters=choose_clusters(word_counts, dim) if adaptive else one_cluster(size, dim),
        )
