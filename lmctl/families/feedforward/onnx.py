"""The feed-forward network as ONNX operators; `families/feedforward/runtime.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.onnx.network import BATCH, OnnxSoftmaxNetwork, OnnxState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.feedforward.sizes import FeedForwardSizes
    from lmctl.layers.onnx.graph import Graph

# An end of a slice behind every element.
_END = np.iinfo(np.int64).max


class OnnxFeedForward(OnnxSoftmaxNetwork):
    """Embedding, one hidden layer, softmax.

    The state is the last n - 1 words, (N, n - 1) int64, the oldest first: a token id plus 1, or 0 for padding.

    Args:
        graph: the graph.
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, graph: Graph, sizes: FeedForwardSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(graph, sizes.word_layers, weights)
        self._sizes = sizes
        self._weights = weights
        self.states = (OnnxState("words", (BATCH, sizes.context_words), np.int64),)

    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """See `OnnxNetwork.run`. The features are the input of the softmax."""
        graph, words = self.graph, self._sizes.context_words
        before = graph.add("Transpose", states[0], perm=[1, 0])
        text = graph.add("Concat", before, graph.add("Add", token_ids, graph.constant(1)), axis=0)
        vectors = self._vectors(text)
        # The context after token t ends with token t.
        places = [self._slice(vectors, 1 + word, word + 1 - words or _END) for word in range(words)]
        contexts = graph.add("Concat", *places, axis=2)
        sums = graph.add("MatMul", contexts, graph.matrix("hidden.kernel", self._weights["hidden.kernel"], axis=0))
        hidden = graph.add(
            "Tanh", graph.add("Add", sums, graph.vector("hidden.bias", self._weights["hidden.bias"]))
        )
        if self._sizes.direct_connections:
            kernel = graph.matrix("direct.kernel", self._weights["direct.kernel"], axis=0)
            hidden = graph.add("Add", hidden, graph.add("MatMul", contexts, kernel))
        return hidden, [graph.add("Transpose", self._slice(text, -words, _END), perm=[1, 0])]

    def _vectors(self, text: str) -> str:
        """Vectors (T, N, E) of a text whose elements are ids plus 1; 0 is padding."""
        graph = self.graph
        zero = graph.constant(0)
        ids = graph.add("Max", graph.add("Sub", text, graph.constant(1)), zero)
        is_padding = graph.add("Unsqueeze", graph.add("Equal", text, zero), graph.constant([-1]))
        padding = graph.vector("padding", self._weights["padding"])
        return graph.add("Where", is_padding, padding, self.embedding(ids))

    def _slice(self, values: str, start: int, end: int) -> str:
        """The rows from `start` to before `end`."""
        return self.graph.add("Slice", values, *(self.graph.constant([each]) for each in (start, end, 0)))
