"""The LSTM language model in NumPy: the network of `families/lstm/keras/network.py`, for answering alone.

Weights have Keras's layout: kernels (E or H, 4H), recurrent kernels (H, 4H), biases (4H,), gates in the order
input, forget, cell, output (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import count_parameters, weight_shapes
from lmctl.layers.embedding import WordVectors
from lmctl.layers.products import ExactMatrix, row_by_row
from lmctl.layers.softmax import AdaptiveSoftmax, FullSoftmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import BoolArray, Float32Array, IntArray
    from lmctl.families.base import BundleFiles


@dataclass(frozen=True, slots=True)
class LSTMState:
    """Output and cell of every layer, both (L, B, H)."""

    hidden: Float32Array
    cell: Float32Array


class LSTMLanguageModel(LanguageModel[LSTMState]):
    """Embedding, LSTM layers, softmax.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    has_features = True

    def __init__(self, sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> None:
        self.vocabulary_size = sizes.vocabulary_size
        self.sizes = sizes
        self._embedding = WordVectors("embedding", sizes.input_clusters, weights)
        self._layers = [
            _Layer.from_keras(
                weights[f"lstm.{layer}.kernel"],
                weights[f"lstm.{layer}.recurrent_kernel"],
                weights[f"lstm.{layer}.bias"],
            )
            for layer in range(sizes.layers)
        ]
        vectors = self._embedding if sizes.tied else WordVectors("softmax.embedding", sizes.clusters, weights)
        projection = weights.get("softmax.projection")
        self._softmax: FullSoftmax | AdaptiveSoftmax
        if len(sizes.clusters) == 1:
            self._softmax = FullSoftmax(vectors.tables[0], weights["softmax.bias"], projection)
        else:
            clusters = weights["softmax.clusters"], weights["softmax.clusters.bias"]
            self._softmax = AdaptiveSoftmax(vectors, weights["softmax.bias"], *clusters, projection)

    @classmethod
    def from_bundle(cls, bundle: BundleFiles) -> LSTMLanguageModel:
        """Load the weights of a bundle.

        Raises:
            DataError: a weight is missing, one too many, not float32, or of a shape that does not fit.
        """
        sizes = bundle.sizes
        if not isinstance(sizes, LSTMSizes):
            raise DataError(f"{bundle.folder}: family {bundle.family}; expected lstm")
        expected = weight_shapes(sizes)
        weights = bundle.weights(count_parameters(sizes))
        for name in expected.keys() | weights.keys():
            if name not in weights or name not in expected:
                raise DataError(f"{bundle.weights_path}: weight {name} is {_presence(name in weights)}")
            if weights[name].shape != expected[name] or weights[name].dtype != np.float32:
                raise DataError(
                    f"{bundle.weights_path}: weight {name} is {weights[name].dtype} {weights[name].shape}, "
                    f"but the sizes in model.json want float32 {expected[name]}"
                )
        return cls(sizes, weights)

    def null_state(self, batch: int) -> LSTMState:
        """Zeros in every layer."""
        zeros = np.zeros((self.sizes.layers, batch, self.sizes.hidden_units), dtype=np.float32)
        return LSTMState(zeros, zeros)

    def advance(self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None = None) -> LSTMState:
        """See `LanguageModel.advance`."""
        return self._run(state, token_ids, lengths)[1]

    def log_probs(self, state: LSTMState) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        return self._softmax.log_probs(state.hidden[-1])

    def top_k(self, state: LSTMState, k: int, allowed: BoolArray | None = None) -> tuple[IntArray, Float32Array]:
        """See `LanguageModel.top_k`; an adaptive softmax leaves out the clusters that cannot matter."""
        if isinstance(self._softmax, FullSoftmax):
            return super().top_k(state, k, allowed)
        return self._softmax.top_k(state.hidden[-1], k, allowed)

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: LSTMState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, LSTMState]:
        """See `LanguageModel.score`."""
        outputs, state = self._run(state, inputs, lengths)
        present = np.arange(len(inputs))[:, None] < lengths
        log_probs = np.zeros(inputs.shape, dtype=np.float64)
        target_ranks = np.zeros(inputs.shape, dtype=np.int64) if ranks else None
        found, found_ranks = self._softmax.score(outputs[present], targets[present], ranks=ranks)
        log_probs[present] = found
        if target_ranks is not None and found_ranks is not None:
            target_ranks[present] = found_ranks
        return Scores(log_probs, target_ranks, outputs if features else None), state

    def advance_with_log_probs(
        self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, LSTMState]:
        """See `LanguageModel.advance_with_log_probs`."""
        outputs, state = self._run(state, token_ids, lengths)
        log_probs = self._softmax.log_probs(outputs.reshape(-1, self.sizes.hidden_units))
        return log_probs.reshape(*token_ids.shape, self.vocabulary_size), state

    def features(self, state: LSTMState) -> Float32Array:
        """The last layer's output, (B, H)."""
        last: Float32Array = state.hidden[-1]
        return last

    def advance_with_features(
        self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, LSTMState]:
        """See `LanguageModel.advance_with_features`; the last layer's outputs."""
        return self._run(state, token_ids, lengths)

    def _run(
        self, state: LSTMState, token_ids: IntArray, lengths: IntArray | None
    ) -> tuple[Float32Array, LSTMState]:
        """Outputs of the last layer, (T, B, H), and the state at each column's end."""
        outputs = self._embedding(token_ids)
        hidden, cell = np.empty_like(state.hidden), np.empty_like(state.cell)
        # Where a column has ended its state must stay, unless all columns are as long as the batch.
        ragged = None if lengths is None or (lengths == len(token_ids)).all() else lengths
        for index, layer in enumerate(self._layers):
            outputs, hidden[index], cell[index] = layer.run(
                outputs, state.hidden[index], state.cell[index], ragged
            )
        return outputs, LSTMState(hidden, cell)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One LSTM layer, laid out for answering.

    sigmoid(x) is computed as (1 + tanh(x / 2)) / 2, so that one tanh serves all four gates, and the three sigmoid
    gates stand side by side: input, forget, output, candidate.

    Attributes:
        kernel: (E, 4H), the columns of the three sigmoid gates halved (which is exact in binary).
        recurrent_kernel: (H, 4H), likewise.
        bias: (4H,), likewise.
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
        """Outputs (T, B, H), and the last output and cell of each column, (B, H), for inputs (T, B, E)."""
        steps, batch, width = inputs.shape
        units = self.recurrent_kernel.shape[0]
        # What the inputs contribute is one product over all steps; only the recurrent part is step by step. A
        # single context spends its time there, on reading the kernel from memory.
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


def _presence(present: bool) -> str:
    return "not one of this family" if present else "missing"
