"""Clusters of words of like frequency, which share a table of word vectors: short ones for rare words.

Ids fall with frequency, so a cluster is a range of ids, and a vocabulary is cut into clusters by a few cutoffs.
"""

from __future__ import annotations

import math
from itertools import accumulate, combinations
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# A cluster's vectors are so many times shorter than those of the cluster before it.
SHORTENING = 2
CLUSTERS = 3
# Places where a cluster may end are this ratio apart.
CUTOFF_RATIO = 1.25
# A head of fewer words than this saves little, and takes much from what is frequent.
SMALLEST_HEAD = 1000


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many words a cluster has, and how long their vectors are."""

    words: int
    width: int


def one_cluster(vocabulary_size: int, dim: int) -> list[Cluster]:
    """All words in one table, with vectors of full length."""
    return [Cluster(words=vocabulary_size, width=dim)]


def choose_clusters(counts: Sequence[int], dim: int) -> list[Cluster]:
    """The clusters that need the fewest multiplications to tell what follows.

    A token costs the head, which has an entry for each further cluster, and, if it is in one of those, that
    cluster and the product that shortens the hidden vector (the model of Grave et al. 2017, arXiv:1609.04309,
    section 4.2, without its constants for the device).

    Args:
        counts: how often each word occurs in training, (V,), falling.
        dim: D, the length of a frequent word's vector.
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
    ends = [*best, size]
    return [
        Cluster(words=end - first, width=width) for first, end, width in zip([0, *best], ends, widths, strict=True)
    ]


def first_ids(clusters: Sequence[Cluster]) -> list[int]:
    """The first token id of each cluster."""
    return [0, *accumulate(cluster.words for cluster in clusters[:-1])]
