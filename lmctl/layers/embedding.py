"""Word vectors in NumPy: one table for all words, or one for each cluster of words of similar frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.clusters import first_ids
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.layers.clusters import Cluster


class WordVectors:
    """The vectors of all words, of length D.

    The table of a further cluster has shorter vectors, and a projection to length D (Baevski & Auli 2019,
    arXiv:1809.10853).

    Args:
        name: start of the names of the weights.
        clusters: number of words and length of vectors of each table.
        weights: the weights by the names of `word_vector_shapes`.
    """

    def __init__(self, name: str, clusters: Sequence[Cluster], weights: Mapping[str, Float32Array]) -> None:
        self.clusters = clusters
        self.first_ids = first_ids(clusters)
        names = list(word_vector_shapes(name, clusters))
        self.tables = [weights[each] for each in names if not each.endswith(".projection")]
        self.projections = [weights[each] for each in names if each.endswith(".projection")]
        self._lengthening = [ExactMatrix(projection) for projection in self.projections]

    def cluster_of(self, token_ids: IntArray) -> IntArray:
        """The cluster of each token, an array of the shape of `token_ids`."""
        return np.searchsorted(self.first_ids, token_ids, side="right") - 1

    def __call__(self, token_ids: IntArray) -> Float32Array:
        """Vectors (..., D) of token ids (...)."""
        if not self.projections:
            return self.tables[0][token_ids]
        cluster_of = self.cluster_of(token_ids)
        vectors = np.empty((*token_ids.shape, self.clusters[0].width), dtype=np.float32)
        for index, (table, first) in enumerate(zip(self.tables, self.first_ids, strict=True)):
            members = cluster_of == index
            if members.any():
                found = table[token_ids[members] - first]
                vectors[members] = self._lengthening[index - 1].times_rows(found) if index else found
        return vectors


def word_vector_shapes(name: str, clusters: Sequence[Cluster]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights: `name` for one cluster; else name.0, name.1, name.1.projection, ..."""
    if len(clusters) == 1:
        return {name: (clusters[0].words, clusters[0].width)}
    shapes: dict[str, tuple[int, ...]] = {}
    for index, cluster in enumerate(clusters):
        shapes[f"{name}.{index}"] = (cluster.words, cluster.width)
        if index:
            shapes[f"{name}.{index}.projection"] = (cluster.width, clusters[0].width)
    return shapes
