"""The LSTM language model in NumPy, for queries. `families/lstm/keras/network.py` is the same network in Keras.

Weights have Keras's layout: kernels (E or H, 4H), recurrent kernels (H, 4H), biases (4H,), gates in the order
input, forget, cell, output (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.products import ExactMatrix, row_by_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.lstm.sizes import LSTMSizes


@dataclass(frozen=True, slots=True)
class LSTMState:
    """The output and the cell of every layer, (L, B, H) each."""

    hidden: Float32Array
    cell: Float32Array


class LSTMLanguageModel(SoftmaxLanguageModel[LSTMState]):
    """Embedding, LSTM layers, softmax.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self._layers = [
            _Layer.from_keras(
                weights[f"lstm.{layer}.kernel"],
                weights[f"lstm.{layer}.recurrent_kernel"],
                weights[f"lstm.{layer}.bias"],
            )
            for layer in range(sizes.layers)
        ]

    def null_state(self, batch: int) -> LSTMState:
        """See `LanguageModel.null_state`: zeros in every layer."""
        zeros = np.zeros((self.sizes.layers, batch, self.sizes.hidden_units), dtype=np.float32)
        return LSTMState(zeros, zeros)

    def advance(self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None = None) -> LSTMState:
        """See `LanguageModel.advance`."""
        return self._run(state, token_ids, lengths)[1]

    def select_columns(self, state: LSTMState, columns: IntArray) -> LSTMState:
        """See `LanguageModel.select_columns`."""
        return LSTMState(state.hidden[:, columns], state.cell[:, columns])

    def features(self, state: LSTMState) -> Float32Array:
        """The output of the last layer, (B, H)."""
        last: Float32Array = state.hidden[-1]
        return last

    def advance_with_features(
        self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, LSTMState]:
        """See `LanguageModel.advance_with_features`. The features are the outputs of the last layer."""
        return self._run(state, token_ids, lengths)

    def _run(
        self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None
    ) -> tuple[Float32Array, LSTMState]:
        """Outputs of the last layer, (T, B, H), and the state at the end of each column."""
        outputs = self.embedding(token_ids)
        hidden, cell = np.empty_like(state.hidden), np.empty_like(state.cell)
        # The state of a column must stay after its end. None: all columns have the full length.
        ragged = None if lengths is None or (lengths == len(token_ids)).all() else lengths
        for index, layer in enumerate(self._layers):
            outputs, hidden[index], cell[index] = layer.run(
                outputs, state.hidden[index], state.cell[index], ragged
            )
        return outputs, LSTMState(hidden, cell)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One LSTM layer, with weights in an order that is fast for queries.

    sigmoid(x) is computed as (1 + tanh(x / 2)) / 2, so that one call of tanh computes all four gates. The three
    sigmoid gates are neighbours: input, forget, output, candidate. Their weights are halved, which is exact in
    binary.

    Attributes:
        kernel: (E, 4H).
        recurrent_kernel: (H, 4H).
        bias: (4H,).
    """

    kernel: ExactMatrix
    recurrent_kernel: Float32Array
    bias: Float32Array

    @classmethod
    def from_keras(cls, kernel: Float32Array, recurrent_kernel: Float32Array, bias: Float32Array) -> _Layer:
        units = len(bias) // 4
        order = np.arange(4 * units).reshape(4, units)[[0, 1, 3, 2]].ravel()
        half = np.full(4 * units, 0.5, dtype=np.float32)
        half[3 * units :] = 1.0
        return cls(ExactMatrix(kernel[:, order] * half), recurrent_kernel[:, order] * half, bias[order] * half)

    def run(
        self, inputs: Float32Array, hidden: Float32Array, cell: Float32Array, lengths: IntArray | None
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Run over a segment.

        Args:
            inputs: (T, B, E).
            hidden: outputs before the first step, (B, H).
            cell: cells before the first step, (B, H).
            lengths: number of steps of each column, (B,); None: T.

        Returns:
            Outputs (T, B, H), and the last output and the last cell of each column, (B, H) each.
        """
        steps, batch, width = inputs.shape
        units = self.recurrent_kernel.shape[0]
        # The contribution of the inputs is one product for all steps. Only the recurrent part is computed step by
        # step. For a single context, most of the time is spent there, on reading the kernel from memory.
        projected = self.kernel.times_rows(inputs.reshape(steps * batch, width))
        projected += self.bias
        projected = projected.reshape(steps, batch, 4 * units)
        outputs = np.empty((steps, batch, units), dtype=np.float32)
        for step in range(steps):
            gates = projected[step]
            gates += row_by_row(hidden, self.recurrent_kernel)
            np.tanh(gates, out=gates)
            sigmoids = gates[:, : 3 * units]
            sigmoids *= 0.5
            sigmoids += 0.5
            new_cell = gates[:, units : 2 * units] * cell
            new_cell += gates[:, :units] * gates[:, 3 * units :]
            new_hidden = outputs[step]
            np.tanh(new_cell, out=new_hidden)
            new_hidden *= gates[:, 2 * units : 3 * units]
            if lengths is not None:
                ended = (step >= lengths)[:, None]
                new_cell = np.where(ended, cell, new_cell)
                new_hidden = np.where(ended, hidden, new_hidden)
            hidden, cell = new_hidden, new_cell
        return outputs, hidden, cell
