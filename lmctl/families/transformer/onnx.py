"""The Transformer as ONNX operators; `families/transformer/runtime.py` is the same in NumPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.onnx.network import BATCH, OnnxSoftmaxNetwork, OnnxState
from lmctl.layers.onnx.transformer_layer import OnnxTransformerLayer, add_normalized, add_seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.transformer.sizes import TransformerSizes
    from lmctl.layers.onnx.graph import Graph

# The name of the dimension of the positions that are remembered. Before the first token, there are none.
REMEMBERED = "M"
# An end of a slice behind every element.
_END = np.iinfo(np.int64).max


class OnnxTransformer(OnnxSoftmaxNetwork):
    """Embedding, layers of attention and feed-forward parts, softmax.

    The state is the keys and values of the latest M positions, at most `context` - 1, of every layer,
    (L, N, M, A, K) each, and the number of positions that each text has read, (N,) int64. Texts of different
    lengths are read side by side with padding before the positions of the shorter ones.

    Args:
        graph: the graph.
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, graph: Graph, sizes: TransformerSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(graph, sizes.word_layers, weights)
        self._sizes = sizes
        self._weights = weights
        self._layers = [
            OnnxTransformerLayer(graph, sizes, weights, f"transformer.{layer}") for layer in range(sizes.layers)
        ]
        memory = (sizes.layers, BATCH, REMEMBERED, sizes.heads, sizes.head_dim)
        self.states = (
            OnnxState("keys", memory),
            OnnxState("values", memory),
            OnnxState("read", (BATCH,), np.int64),
        )
        self.properties = {"num_layers": str(sizes.layers), "context": str(sizes.context)}

    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """See `OnnxNetwork.run`. The features are the last layer's outputs behind its norm."""
        graph, sizes = self.graph, self._sizes
        read = states[2]
        ids = graph.add("Transpose", token_ids, perm=[1, 0])
        scale = graph.constant(np.array(math.sqrt(sizes.hidden_units), dtype=np.float32))
        vectors = graph.add("Mul", self.embedding(ids), scale)
        memories = [
            [graph.add("Gather", state, graph.constant(layer), axis=0) for state in states[:2]]
            for layer in range(sizes.layers)
        ]
        seen = add_seen(graph, sizes, sizes.positions, ids, read, memories[0][0])
        after: list[list[str]] = [[], []]
        for layer, memory in zip(self._layers, memories, strict=True):
            vectors, *of_layer = layer.run(vectors, memory[0], memory[1], seen)
            for kept, new in zip(after, of_layer, strict=True):
                kept.append(graph.add("Unsqueeze", new, graph.constant([0])))
        features = add_normalized(graph, vectors, "transformer.norm", self._weights)
        steps = graph.add("Shape", token_ids, start=0, end=1)
        return graph.add("Transpose", features, perm=[1, 0, 2]), [
            *(self._latest(graph.add("Concat", *parts, axis=0)) for parts in after),
            graph.add("Add", read, steps),
        ]

    def _latest(self, memory: str) -> str:
        """The last `context` - 1 positions of keys or values of all layers."""
        first = 1 - self._sizes.context or _END
        return self.graph.add("Slice", memory, *(self.graph.constant([each]) for each in (first, _END, 2)))
