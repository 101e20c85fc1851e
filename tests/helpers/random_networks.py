"""Random weights of networks, and the clusters of their softmax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.clusters import Cluster, one_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array


def drawn(shapes: Mapping[str, tuple[int, ...]], *, seed: int, scale: float = 1.0) -> dict[str, Float32Array]:
    """Normally distributed weights with these names and shapes, float32."""
    generator = np.random.default_rng(seed)
    return {name: generator.normal(scale=scale, size=shape).astype(np.float32) for name, shape in shapes.items()}


def clusters_of(vocabulary_size: int, width: int, *rare: tuple[int, int]) -> list[Cluster]:
    """The clusters of a vocabulary.

    Args:
        vocabulary_size: V.
        width: length of the vectors of the first cluster.
        rare: the other clusters, (words, width) each. Without any, there is one cluster, a full softmax.
    """
    if not rare:
        return one_cluster(vocabulary_size, width)
    first = vocabulary_size - sum(words for words, _ in rare)
    return [Cluster(words=words, width=width) for words, width in ((first, width), *rare)]
