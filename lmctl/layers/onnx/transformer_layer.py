"""One layer of a Transformer as ONNX operators; `layers/transformer_layer.py` is the same in NumPy.

Axes: N batch, T time (positions that are read), M positions in the memory, D hidden units, A heads, K = D / A.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lmctl.layers.positions import alibi_slopes, rotary_frequencies
from lmctl.layers.transformer_layer import NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array
    from lmctl.layers.onnx.graph import Graph
    from lmctl.layers.positions import Positions
    from lmctl.layers.transformer_layer import LayerSizes


class Seen(NamedTuple):
    """What the positions that are read see; the same for all layers.

    Attributes:
        where: whether each position sees each place of the memory, which ends with these positions,
            (N, 1, T, M + T).
        penalties: what the scores of the heads lose, (A, T, M + T); "": nothing.
        cosine: of the angle of each pair of elements, (N, T, 1, K / 2); "": vectors are not rotated.
        sine: of the same angles.
    """

    where: str
    penalties: str
    cosine: str
    sine: str


def add_seen(
    graph: Graph, sizes: LayerSizes, positions: Positions, token_ids: str, read: str, memory: str
) -> Seen:
    """Compute what the positions see.

    Args:
        graph: the graph.
        sizes: the dimensions of the layers.
        positions: how attention tells positions apart.
        token_ids: of the positions that are read, (N, T).
        read: number of positions that each text has read before, (N,) int64.
        memory: keys of the positions before, (N, M, A, K); a text that has read fewer has padding before them.
    """
    zero, one = graph.constant(0), graph.constant(1)
    steps, remembered = (
        graph.add("Squeeze", graph.add("Shape", each, start=1, end=2), graph.constant([0]))
        for each in (token_ids, memory)
    )
    new = graph.add("Range", zero, steps, one)
    places = graph.add("Range", zero, graph.add("Add", remembered, steps), one)
    own = graph.add("Unsqueeze", graph.add("Add", new, remembered), graph.constant([1]))
    distances = graph.add("Sub", own, places)
    is_near = graph.add(
        "And",
        graph.add("GreaterOrEqual", distances, zero),
        graph.add("Less", distances, graph.constant(sizes.context)),
    )
    first_read = graph.add("Unsqueeze", graph.add("Sub", remembered, read), graph.constant([1, 2, 3]))
    where = graph.add("And", is_near, graph.add("GreaterOrEqual", places, first_read))
    if positions == "alibi":
        slopes = graph.constant(alibi_slopes(sizes.heads).astype(np.float32)[:, None, None])
        penalties = graph.add("Mul", graph.cast(distances, np.float32), slopes)
        return Seen(where, penalties, "", "")
    # Angles of distant positions need more digits than float32 has.
    at = graph.add("Add", graph.add("Unsqueeze", read, graph.constant([1])), new)
    at = graph.add("Unsqueeze", graph.cast(at, np.float64), graph.constant([2, 3]))
    angles = graph.add("Mul", at, graph.constant(rotary_frequencies(sizes.head_dim)))
    cosine, sine = (graph.cast(graph.add(function, angles), np.float32) for function in ("Cos", "Sin"))
    return Seen(where, "", cosine, sine)


class OnnxTransformerLayer:
    """One layer.

    Args:
        graph: the graph.
        sizes: the dimensions of the layer.
        weights: of all layers, by name.
        name: prefix of the names of this layer's weights.
    """

    def __init__(self, graph: Graph, sizes: LayerSizes, weights: Mapping[str, Float32Array], name: str) -> None:
        self._graph = graph
        self._sizes = sizes
        self._weights = weights
        self._name = name

    def run(self, vectors: str, keys: str, values: str, seen: Seen) -> tuple[str, str, str]:
        """Read positions.

        Args:
            vectors: input of the layer, (N, T, D).
            keys: keys of the positions before, (N, M, A, K), rotated if positions are rotary.
            values: values of the positions before, (N, M, A, K).
            seen: what the positions see.

        Returns:
            The output of the layer, (N, T, D), and keys and values with the T positions at their end.
        """
        graph, sizes = self._graph, self._sizes
        projected = self._times(self._normalized(vectors, "attention.norm"), "attention.queries_keys_values")
        parts = graph.constant([0, 0, 3 * sizes.heads, sizes.head_dim])
        queries, new_keys, new_values = graph.add_several(
            "Split", graph.add("Reshape", projected, parts), outputs=3, axis=2
        )
        if seen.cosine:
            queries, new_keys = (_rotated(graph, each, seen) for each in (queries, new_keys))
        keys, values = (
            graph.add("Concat", before, new, axis=1) for before, new in ((keys, new_keys), (values, new_values))
        )
        scores = graph.add(
            "MatMul",
            graph.add("Transpose", queries, perm=[0, 2, 1, 3]),
            graph.add("Transpose", keys, perm=[0, 2, 3, 1]),
        )
        scores = graph.add("Mul", scores, _number(graph, 1 / math.sqrt(sizes.head_dim)))
        if seen.penalties:
            scores = graph.add("Sub", scores, seen.penalties)
        scores = graph.add("Where", seen.where, scores, _number(graph, -math.inf))
        means = graph.add(
            "MatMul",
            graph.add("Softmax", scores, axis=-1),
            graph.add("Transpose", values, perm=[0, 2, 1, 3]),
        )
        means = graph.add("Transpose", means, perm=[0, 2, 1, 3])
        means = graph.add("Reshape", means, graph.constant([0, 0, sizes.hidden_units]))
        vectors = graph.add("Add", vectors, self._times(means, "attention.output"))
        gates, units = graph.add_several(
            "Split",
            self._times(self._normalized(vectors, "feedforward.norm"), "feedforward.gates_units"),
            outputs=2,
            axis=2,
        )
        opened = graph.add("Mul", graph.add("Mul", gates, graph.add("Sigmoid", gates)), units)
        return graph.add("Add", vectors, self._times(opened, "feedforward.output")), keys, values

    def _normalized(self, vectors: str, name: str) -> str:
        return add_normalized(self._graph, vectors, f"{self._name}.{name}", self._weights)

    def _times(self, vectors: str, name: str) -> str:
        name = f"{self._name}.{name}"
        return self._graph.add("MatMul", vectors, self._graph.matrix(name, self._weights[name], axis=0))


def add_normalized(graph: Graph, vectors: str, name: str, weights: Mapping[str, Float32Array]) -> str:
    """Vectors (..., D) divided by their root mean square, times the scale with that name."""
    squares = graph.add("ReduceMean", graph.add("Mul", vectors, vectors), axes=[-1], keepdims=1)
    roots = graph.add("Sqrt", graph.add("Add", squares, _number(graph, NORM_EPSILON)))
    return graph.add("Mul", graph.add("Div", vectors, roots), graph.vector(name, weights[name]))


def _rotated(graph: Graph, vectors: str, seen: Seen) -> str:
    """Vectors (N, T, A, K) with element i and element i + K / 2 rotated."""
    first, second = graph.add_several("Split", vectors, outputs=2, axis=3)
    products = {
        (part, angle): graph.add("Mul", part, angle)
        for part in (first, second)
        for angle in (seen.cosine, seen.sine)
    }
    return graph.add(
        "Concat",
        graph.add("Sub", products[first, seen.cosine], products[second, seen.sine]),
        graph.add("Add", products[second, seen.cosine], products[first, seen.sine]),
        axis=3,
    )


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, dtype=np.float32))
