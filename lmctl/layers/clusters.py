"""Clusters of words of similar frequency. Word vectors are shorter in clusters of rarer words.

Ids are in the order of falling frequency. So a cluster is a range of ids, and cutoffs divide a vocabulary into
clusters.
"""

from __future__ import annotations

import math
from itertools import accumulate, combinations, pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Ratio of the lengths of vectors in one cluster and the next.
SHORTENING = 2
CLUSTERS = 4
# Ratio of neighbouring candidates for a cutoff.
CUTOFF_RATIO = 1.25
# Fewest words of the first cluster. A smaller one saves little time, and shortens the vectors of frequent words.
SMALLEST_HEAD = 1000


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The number of words of a cluster, and the length of their vectors."""

    words: int
    width: int


def one_cluster(vocabulary_size: int, dim: int) -> list[Cluster]:
    """One cluster with all V words, and vectors of length `dim`."""
    return [Cluster(words=vocabulary_size, width=dim)]


def choose_clusters(counts: Sequence[int], dim: int) -> list[Cluster]:
    """Choose the clusters that need the fewest multiplications in an adaptive softmax.

    The cost of a token is the cost of the head, which has an entry for each further cluster. If the token is in a
    further cluster, the cost of this cluster and of the product that shortens the hidden vector are added. This is
    the model of Grave et al. 2017 (arXiv:1609.04309), section 4.2, without its constants for the device.

    Args:
        counts: counts of the words in the training text, falling, (V,).
        dim: D, the length of the vectors of frequent words.
    """
    size = len(counts)
    if size <= 2 * SMALLEST_HEAD:
        return one_cluster(size, dim)
    widths = [max(1, dim // SHORTENING**index) for index in range(CLUSTERS)]
    share: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(counts, dtype=np.float64)])
    share /= max(share[-1], 1.0)
    steps = range(math.ceil(math.log(size / SMALLEST_HEAD, CUTOFF_RATIO)))
    cutoffs = [cutoff for step in steps if (cutoff := round(SMALLEST_HEAD * CUTOFF_RATIO**step)) < size]

    def cost(chosen: tuple[int, ...]) -> float:
        ends = [*chosen, size]
        tails = zip(chosen, ends[1:], widths[1:], strict=True)
        in_tails = sum((share[end] - share[first]) * (end - first + dim) * width for first, end, width in tails)
        return float((chosen[0] + len(chosen)) * dim + in_tails)

    best = min(combinations(cutoffs, CLUSTERS - 1), key=cost)
    return clusters_at(best, size, dim)


def clusters_at(cutoffs: Sequence[int], vocabulary_size: int, dim: int) -> list[Cluster]:
    """The clusters that begin at some ids.

    Args:
        cutoffs: the first id of each cluster but the first one.
        vocabulary_size: V.
        dim: D, the length of the vectors of the first cluster. They are half as long in each further one.

    Raises:
        ValueError: a cluster would have no words.
    """
    bounds = [0, *cutoffs, vocabulary_size]
    if any(first >= end for first, end in pairwise(bounds)):
        raise ValueError(
            f"{','.join(map(str, cutoffs))}; expected rising numbers below the size of the vocabulary, "
            f"{vocabulary_size}"
        )
    return [
        Cluster(words=end - first, width=max(1, dim // SHORTENING**index))
        for index, (first, end) in enumerate(pairwise(bounds))
    ]


def first_ids(clusters: Sequence[Cluster]) -> list[int]:
    """The first token id of each cluster."""
    return [0, *accumulate(cluster.words for cluster in clusters[:-1])]
