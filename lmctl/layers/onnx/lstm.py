"""An LSTM layer as an ONNX operator; `layers/lstm.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array
    from lmctl.layers.onnx.graph import Graph


def add_lstm(
    graph: Graph, name: str, weights: Mapping[str, Float32Array], inputs: str, hidden: str, cell: str
) -> tuple[str, str, str]:
    """Add a layer.

    The lengths of the columns are not an input of the operator, because onnxruntime 1.32.0 sets the state of a
    column of length 0 to zeros, where the state before is expected.

    Args:
        graph: the graph.
        name: start of the names of the weights.
        weights: by the names of `layers.lstm.weight_shapes_of_layer`.
        inputs: (T, N, E).
        hidden: outputs before the first step, (1, N, H).
        cell: cells before the first step, (1, N, H).

    Returns:
        Outputs (T, N, H), and the last outputs and the last cells, (1, N, H) each.
    """
    units = weights[f"{name}.recurrent_kernel"].shape[0]
    kernel, recurrent_kernel, bias = (
        _in_order_of_onnx(weights[f"{name}.{each}"])[None] for each in ("kernel", "recurrent_kernel", "bias")
    )
    # The operator adds two biases.
    biases = np.concatenate([bias, np.zeros_like(bias)], axis=1)
    outputs, last_hidden, last_cell = graph.add_several(
        "LSTM",
        inputs,
        graph.matrix(f"{name}.kernel", kernel),
        graph.matrix(f"{name}.recurrent_kernel", recurrent_kernel),
        graph.vector(f"{name}.bias", biases),
        "",
        hidden,
        cell,
        outputs=3,
        hidden_size=units,
    )
    return graph.add("Squeeze", outputs, graph.constant([1])), last_hidden, last_cell


def _in_order_of_onnx(weights: Float32Array) -> Float32Array:
    """Weights (..., 4H) of Keras as (4H, ...), with gates in the order input, output, forget, candidate."""
    entering, forget, candidate, output = np.split(weights, 4, axis=-1)
    return np.ascontiguousarray(np.concatenate([entering, output, forget, candidate], axis=-1).T)
