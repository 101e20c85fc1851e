"""Word vectors as ONNX operators; `layers/embedding.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.clusters import first_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.layers.clusters import Cluster
    from lmctl.layers.onnx.graph import Graph


class OnnxWordVectors:
    """The vectors of all words, of length D, in one table or in one for each cluster.

    Args:
        graph: the graph, which gets the tables.
        name: start of the names of the weights.
        clusters: number of words and length of vectors of each table.
        weights: the weights by the names of `layers.embedding.word_vector_shapes`.

    Attributes:
        tables: the table of each cluster, (words, width).
        projections: the projection of each further cluster, (width, D).
    """

    def __init__(
        self, graph: Graph, name: str, clusters: Sequence[Cluster], weights: Mapping[str, Float32Array]
    ) -> None:
        self._graph = graph
        self.clusters = clusters
        self.first_ids = first_ids(clusters)
        of_clusters = [name] if len(clusters) == 1 else [f"{name}.{index}" for index in range(len(clusters))]
        self.tables = [graph.matrix(each, weights[each]) for each in of_clusters]
        projections = [f"{each}.projection" for each in of_clusters[1:]]
        self.projections = [graph.matrix(each, weights[each]) for each in projections]

    def __call__(self, token_ids: str) -> str:
        """Vectors (..., D) of token ids (...)."""
        graph = self._graph
        if not self.projections:
            return graph.add("Gather", self.tables[0], token_ids)
        vectors = ""
        for cluster, first, table in zip(self.clusters, self.first_ids, self.tables, strict=True):
            places = graph.add("Sub", token_ids, graph.constant(first)) if first else token_ids
            # Words of other clusters read some row, which is not used.
            inside = graph.add(
                "Clip", places, graph.constant(np.array(0, np.int64)), graph.constant(np.array(cluster.words - 1))
            )
            found = graph.add("Gather", table, inside)
            if not vectors:
                vectors = found
                continue
            found = graph.add("MatMul", found, self.projections[self.first_ids.index(first) - 1])
            is_there = graph.add("GreaterOrEqual", token_ids, graph.constant(first))
            vectors = graph.add("Where", graph.add("Unsqueeze", is_there, graph.constant([-1])), found, vectors)
        return vectors
