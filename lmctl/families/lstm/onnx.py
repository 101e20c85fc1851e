"""The LSTM language model as ONNX operators; `families/lstm/runtime.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.families.onnx.network import BATCH, OnnxSoftmaxNetwork, OnnxState
from lmctl.layers.onnx.lstm import add_lstm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.lstm.sizes import LSTMSizes
    from lmctl.layers.onnx.graph import Graph


class OnnxLSTM(OnnxSoftmaxNetwork):
    """Embedding, LSTM layers, softmax. The state is the output and the cell of every layer, (L, N, H) each.

    Args:
        graph: the graph.
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, graph: Graph, sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(graph, sizes.word_layers, weights)
        self._layers = range(sizes.layers)
        self._weights = weights
        shape = (sizes.layers, BATCH, sizes.hidden_units)
        self.states = (OnnxState("h0", shape), OnnxState("c0", shape))
        self.properties = {"num_layers": str(sizes.layers), "hidden_size": str(sizes.hidden_units)}

    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """See `OnnxNetwork.run`. The features are the outputs of the last layer."""
        graph = self.graph
        outputs = self.embedding(token_ids)
        before = [graph.add_several("Split", state, outputs=len(self._layers), axis=0) for state in states]
        after: list[tuple[str, str]] = []
        for layer in self._layers:
            hidden, cell = (parts[layer] for parts in before)
            outputs, *ends = add_lstm(graph, f"lstm.{layer}", self._weights, outputs, hidden, cell)
            after.append((ends[0], ends[1]))
        return outputs, [graph.add("Concat", *parts, axis=0) for parts in zip(*after, strict=True)]
