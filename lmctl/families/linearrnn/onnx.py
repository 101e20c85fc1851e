"""The linear recurrent network as ONNX operators; `families/linearrnn/runtime.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.families.onnx.network import BATCH, OnnxSoftmaxNetwork, OnnxState
from lmctl.layers.onnx.linear_recurrence import OnnxLinearRecurrence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.linearrnn.sizes import LinearRNNSizes
    from lmctl.layers.onnx.graph import Graph


class OnnxLinearRNN(OnnxSoftmaxNetwork):
    """Embedding, linear recurrent layers, softmax.

    The state is c of every layer, (L, N, H), and with a window of 2 the last input of each layer, (N, D).

    Args:
        graph: the graph.
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, graph: Graph, sizes: LinearRNNSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(graph, sizes.word_layers, weights)
        units = sizes.hidden_units
        names = [f"linear.{layer}" for layer in range(sizes.layers)]
        self._layers = [
            OnnxLinearRecurrence(
                graph, name, sizes.cell, weights[f"{name}.kernel"], weights[f"{name}.bias"], units
            )
            for name in names
        ]
        widths = sizes.widths if sizes.window == 2 else []
        self.states = (
            OnnxState("c0", (sizes.layers, BATCH, units)),
            *(OnnxState(f"input{layer}", (BATCH, width)) for layer, width in enumerate(widths)),
        )

    def run(self, token_ids: str, states: Sequence[str]) -> tuple[str, list[str]]:
        """See `OnnxNetwork.run`. The features are the outputs of the last layer."""
        graph = self.graph
        before, previous = states[0], states[1:]
        hidden, after, inputs = self.embedding(token_ids), [], []
        for number, layer in enumerate(self._layers):
            state = graph.add("Gather", before, graph.constant(number), axis=0)
            if previous:
                inputs.append(graph.add("Gather", hidden, graph.constant(-1), axis=0))
            hidden, last = layer.run(hidden, state, previous[number] if previous else None)
            after.append(graph.add("Unsqueeze", last, graph.constant([0])))
        return hidden, [graph.add("Concat", *after, axis=0), *inputs]
