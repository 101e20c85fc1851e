"""An LSTM layer in NumPy (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

`layers/keras/lstm.py` is the same layer in Keras.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.products import ExactMatrix, row_by_row

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, IntArray


@dataclass(frozen=True, slots=True)
class LSTMLayer:
    """The weights of a layer, in an order that is fast for queries.

    sigmoid(x) is computed as (1 + tanh(x / 2)) / 2, so that one call of tanh computes all four gates. The three
    sigmoid gates are neighbours: input, forget, output, candidate. Their weights are halved, which is exact in
    binary.

    Attributes:
        kernel: (E, 4H).
        recurrent_kernel: (H, 4H).
        exact_recurrent_kernel: the same numbers, for products of many rows.
        bias: (4H,).
    """

    kernel: ExactMatrix
    recurrent_kernel: Float32Array
    exact_recurrent_kernel: ExactMatrix
    bias: Float32Array

    @classmethod
    def from_keras(cls, kernel: Float32Array, recurrent_kernel: Float32Array, bias: Float32Array) -> LSTMLayer:
        """A layer with the weights of a Keras layer.

        Args:
            kernel: (E, 4H), gates in the order input, forget, candidate, output.
            recurrent_kernel: (H, 4H), in the same order.
            bias: (4H,), in the same order.
        """
        recurrent = in_query_order(recurrent_kernel)
        return cls(ExactMatrix(in_query_order(kernel)), recurrent, ExactMatrix(recurrent), in_query_order(bias))

    def input_gates(self, inputs: Float32Array) -> Float32Array:
        """The contribution of inputs (N, E) to the gates before their activations, with the bias, (N, 4H)."""
        gates = self.kernel.times_rows(inputs)
        gates += self.bias
        return gates

    def run(
        self,
        gates: Float32Array,
        hidden: Float32Array,
        cell: Float32Array,
        lengths: IntArray | None,
        *,
        many_columns: bool = False,
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Run over a segment.

        Args:
            gates: `input_gates` of the inputs, (T, B, 4H); changed in place. One product for all steps gives them.
                Only the recurrent part is computed step by step. For a single context, most of the time is spent
                there, on reading the kernel from memory.
            hidden: outputs before the first step, (B, H).
            cell: cells before the first step, (B, H).
            lengths: number of steps of each column, (B,); None: T.
            many_columns: whether the recurrent product is one of all columns, faster from four columns on. Its
                last digits are others than those of a product for each column.

        Returns:
            Outputs (T, B, H), and the last output and the last cell of each column, (B, H) each.
        """
        steps, batch, _ = gates.shape
        outputs = np.empty((steps, batch, hidden.shape[1]), dtype=np.float32)
        for step in range(steps):
            of_step = gates[step]
            if many_columns:
                of_step += self.exact_recurrent_kernel.times_rows(hidden)
            else:
                of_step += row_by_row(hidden, self.recurrent_kernel)
            new_hidden = outputs[step]
            new_cell = activate(of_step, cell, new_hidden)
            if lengths is not None:
                ended = (step >= lengths)[:, None]
                new_cell = np.where(ended, cell, new_cell)
                new_hidden = np.where(ended, hidden, new_hidden)
            hidden, cell = new_hidden, new_cell
        return outputs, hidden, cell


def weight_shapes_of_layer(name: str, width: int, units: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a layer that reads vectors of length `width`."""
    return {
        f"{name}.kernel": (width, 4 * units),
        f"{name}.recurrent_kernel": (units, 4 * units),
        f"{name}.bias": (4 * units,),
    }


def in_query_order(weights: Float32Array) -> Float32Array:
    """Weights of Keras's layout, (..., 4H), in the order of `LSTMLayer`; those of sigmoid gates are halved."""
    units = weights.shape[-1] // 4
    ordered = np.empty(weights.shape, dtype=np.float32)
    # Every query waits for this; an index of all columns would take several times as long.
    np.multiply(weights[..., : 2 * units], 0.5, out=ordered[..., : 2 * units])
    np.multiply(weights[..., 3 * units :], 0.5, out=ordered[..., 2 * units : 3 * units])
    ordered[..., 3 * units :] = weights[..., 2 * units : 3 * units]
    return ordered


def activate(gates: Float32Array, cell: Float32Array, hidden: Float32Array) -> Float32Array:
    """One step, from the gates before their activations.

    Args:
        gates: (B, 4H), in the order of `LSTMLayer`; changed in place.
        cell: the cell before the step, (B, H).
        hidden: receives the output after the step, (B, H).

    Returns:
        The cell after the step, (B, H).
    """
    units = cell.shape[1]
    np.tanh(gates, out=gates)
    sigmoids = gates[:, : 3 * units]
    sigmoids *= 0.5
    sigmoids += 0.5
    new_cell = gates[:, units : 2 * units] * cell
    new_cell += gates[:, :units] * gates[:, 3 * units :]
    np.tanh(new_cell, out=hidden)
    hidden *= gates[:, 2 * units : 3 * units]
    return new_cell
