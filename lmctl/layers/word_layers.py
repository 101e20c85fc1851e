"""The word layers of a network: sizes and weight shapes of the embedding of its inputs and of its softmax."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.errors import UsageError
from lmctl.layers.clusters import Cluster, choose_clusters, clusters_at, one_cluster
from lmctl.layers.embedding import word_vector_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `model.softmax: auto` is adaptive for vocabularies of this many words and more: below, a full softmax takes fewer
# multiplications than the recurrence of the preset medium.
ADAPTIVE_FROM = 5000

# A bound for records from unknown sources, far above the number of clusters of any model.
MOST_CLUSTERS = 64

# Types of fields of a family's sizes: one dimension of an array, and the clusters of the softmax.
Dimension = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Clusters = Annotated[list[Cluster], Meta(max_length=MOST_CLUSTERS)]


class WordLayers(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of an embedding and a softmax.

    Attributes:
        vocabulary_size: V.
        embedding_dim: E, the length of an input word vector.
        hidden_dim: H, the length of the hidden vectors that the softmax reads.
        tied: whether the softmax uses the word vectors of the input. If H is not E, a projection stands before it.
        clusters: the clusters of the output word vectors, and if tied, also of the input word vectors. One cluster
            is a full softmax; more are an adaptive softmax.
    """

    vocabulary_size: int
    embedding_dim: int
    hidden_dim: int
    tied: bool
    clusters: list[Cluster]

    @property
    def output_dim(self) -> int:
        """The length of an output word vector: E if tied, else H."""
        return self.embedding_dim if self.tied else self.hidden_dim

    @property
    def input_clusters(self) -> list[Cluster]:
        """The clusters of the input word vectors."""
        return self.clusters if self.tied else one_cluster(self.vocabulary_size, self.embedding_dim)

    def check(self) -> None:
        """Refuse clusters that do not fit the vocabulary and the dimensions.

        Raises:
            ValueError: the clusters do not fit.
        """
        words = [cluster.words for cluster in self.clusters]
        fits = sum(words) == self.vocabulary_size and min(words, default=0) > 0
        if (
            not fits
            or self.clusters[0].width != self.output_dim
            or min(cluster.width for cluster in self.clusters) < 1
        ):
            raise ValueError(
                f"clusters do not fit a vocabulary of {self.vocabulary_size} and vectors of {self.output_dim}"
            )

    def embedding_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights of the embedding."""
        return word_vector_shapes("embedding", self.input_clusters)

    def softmax_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the weights of the softmax, without those that it shares with the embedding."""
        shapes: dict[str, tuple[int, ...]] = {}
        if not self.tied:
            shapes |= word_vector_shapes("softmax.embedding", self.clusters)
        elif self.embedding_dim != self.hidden_dim:
            shapes["softmax.projection"] = (self.hidden_dim, self.embedding_dim)
        shapes["softmax.bias"] = (self.vocabulary_size,)
        if tails := len(self.clusters) - 1:
            shapes["softmax.clusters"] = (tails, self.clusters[0].width)
            shapes["softmax.clusters.bias"] = (tails,)
        return shapes


def check_cutoffs(softmax: str, cutoffs: str) -> list[int]:
    """Return the numbers of the key `model.cutoffs`.

    Raises:
        UsageError: they do not rise, or are not for a full softmax.
    """
    if softmax == "full":
        raise UsageError("model.cutoffs: a full softmax has no clusters; leave it out, or set model.softmax")
    numbers = [int(cutoff) for cutoff in cutoffs.split(",")]
    if any(first >= second for first, second in pairwise(numbers)):
        raise UsageError(f"model.cutoffs: expected rising numbers such as 2000,10000, got {cutoffs}")
    return numbers


def softmax_clusters(
    word_counts: Sequence[int], softmax: str, output_dim: int, cutoffs: str | None = None
) -> list[Cluster]:
    """Choose the clusters by the keys `model.softmax` and `model.cutoffs`.

    Args:
        word_counts: counts of the words in the training text, by id, (V,).
        softmax: "full", "adaptive" or "auto".
        output_dim: the length of the output vectors of frequent words.
        cutoffs: the first id of each further cluster, with commas between; None: those of the lowest cost.

    Raises:
        UsageError: the cutoffs do not rise, do not fit the vocabulary, or are not for a full softmax.
    """
    size = len(word_counts)
    if cutoffs is not None:
        numbers = check_cutoffs(softmax, cutoffs)
        try:
            return clusters_at(numbers, size, output_dim)
        except ValueError as error:
            raise UsageError(f"model.cutoffs: {error}") from None
    adaptive = softmax == "adaptive" or (softmax == "auto" and size >= ADAPTIVE_FROM)
    return choose_clusters(word_counts, output_dim) if adaptive else one_cluster(size, output_dim)


def count_numbers(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The number of elements of weights of these shapes."""
    # Python integers do not overflow, even for impossible sizes of a damaged record.
    return sum(math.prod(shape) for shape in shapes.values())
