"""Output layers as ONNX operators; `layers/softmax.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.layers.onnx.embedding import OnnxWordVectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array
    from lmctl.layers.onnx.graph import Graph
    from lmctl.layers.word_layers import WordLayers


class OnnxSoftmax:
    """A softmax over all words, full or adaptive.

    Args:
        graph: the graph.
        layers: the sizes of embedding and softmax.
        embedding: the word vectors of the input, which a tied softmax uses.
        weights: the weights by the names of `WordLayers.softmax_shapes`.
    """

    def __init__(
        self, graph: Graph, layers: WordLayers, embedding: OnnxWordVectors, weights: Mapping[str, Float32Array]
    ) -> None:
        self._graph = graph
        self._vectors = (
            embedding if layers.tied else OnnxWordVectors(graph, "softmax.embedding", layers.clusters, weights)
        )
        self._weights = weights
        self._tails = range(1, len(layers.clusters))
        self._head_words = layers.clusters[0].words

    def log_probs(self, hidden: str) -> str:
        """Natural log probabilities, (N, V), of hidden vectors (N, H)."""
        graph = self._graph
        projected = self._projected(hidden)
        head = graph.add("LogSoftmax", self._head_logits(projected), axis=-1)
        if not self._tails:
            return head
        ends = graph.constant([self._head_words, len(self._tails)])
        words, entries = graph.add_several("Split", head, ends, outputs=2, axis=1)
        parts = [words]
        for cluster in self._tails:
            within = graph.add("LogSoftmax", self._logits_within(projected, cluster), axis=-1)
            entry = graph.add("Gather", entries, graph.constant([cluster - 1]), axis=1)
            parts.append(graph.add("Add", within, entry))
        return graph.add("Concat", *parts, axis=1)

    def score(self, hidden: str, targets: str) -> str:
        """Natural log probability of each target, (N,), of hidden vectors (N, H) and token ids (N,).

        A further cluster is computed only for the rows whose target is in it.
        """
        graph = self._graph
        projected = self._projected(hidden)
        in_head = targets
        members = {}
        for cluster in self._tails:
            first = self._vectors.first_ids[cluster]
            end = first + self._vectors.clusters[cluster].words
            is_member = graph.add(
                "And",
                graph.add("GreaterOrEqual", targets, graph.constant(first)),
                graph.add("Less", targets, graph.constant(end)),
            )
            members[cluster] = is_member
            entry = graph.constant(self._head_words + cluster - 1)
            in_head = graph.add("Where", is_member, entry, in_head)
        scores = self._picked(graph.add("LogSoftmax", self._head_logits(projected), axis=-1), in_head)
        for cluster, is_member in members.items():
            rows = graph.add("Squeeze", graph.add("NonZero", is_member), graph.constant([0]))
            places = graph.add("Gather", targets, rows)
            places = graph.add("Sub", places, graph.constant(self._vectors.first_ids[cluster]))
            logits = self._logits_within(graph.add("Gather", projected, rows), cluster)
            within = self._picked(graph.add("LogSoftmax", logits, axis=-1), places)
            there = graph.add("Add", graph.add("Gather", scores, rows), within)
            scores = graph.add("ScatterElements", scores, rows, there)
        return scores

    def _picked(self, log_probs: str, places: str) -> str:
        """The element of each row (N, W) at its place (N,)."""
        graph = self._graph
        last = graph.constant([1])
        return graph.add(
            "Squeeze",
            graph.add("GatherElements", log_probs, graph.add("Unsqueeze", places, last), axis=1),
            last,
        )

    def _projected(self, hidden: str) -> str:
        if (projection := self._weights.get("softmax.projection")) is None:
            return hidden
        return self._graph.add("MatMul", hidden, self._graph.matrix("softmax.projection", projection, axis=0))

    def _head_logits(self, projected: str) -> str:
        graph = self._graph
        words = self._words(projected, 0)
        if not self._tails:
            return words
        vectors = graph.matrix("softmax.clusters", self._weights["softmax.clusters"])
        bias = graph.vector("softmax.clusters.bias", self._weights["softmax.clusters.bias"])
        return graph.add("Concat", words, graph.add("Gemm", projected, vectors, bias, transB=1), axis=1)

    def _logits_within(self, projected: str, cluster: int) -> str:
        shortened = self._graph.add("Gemm", projected, self._vectors.projections[cluster - 1], transB=1)
        return self._words(shortened, cluster)

    def _words(self, vectors: str, cluster: int) -> str:
        """The logits of the words of a cluster. The product reads the table as the embedding stores it."""
        first = self._vectors.first_ids[cluster]
        bias = self._weights["softmax.bias"][first : first + self._vectors.clusters[cluster].words]
        name = f"softmax.bias.{cluster}" if self._tails else "softmax.bias"
        return self._graph.add(
            "Gemm", vectors, self._vectors.tables[cluster], self._graph.vector(name, bias), transB=1
        )
