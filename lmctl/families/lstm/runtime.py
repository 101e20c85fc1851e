"""The LSTM language model in NumPy, for queries. `families/lstm/keras/network.py` is the same network in Keras."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.lstm import LSTMLayer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    Attributes:
        many_columns: whether a step reads the recurrent kernel once, not once for each column.
    """

    def __init__(self, sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self.many_columns = False
        self._layers = [
            LSTMLayer.from_keras(
                weights[f"lstm.{layer}.kernel"],
                weights[f"lstm.{layer}.recurrent_kernel"],
                weights[f"lstm.{layer}.bias"],
            )
            for layer in range(sizes.layers)
        ]

    def for_many_columns(self) -> LSTMLanguageModel:
        """See `LanguageModel.for_many_columns`."""
        model = copy.copy(self)
        model.many_columns = True
        return model

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

    def join(self, states: Sequence[LSTMState]) -> LSTMState:
        """See `LanguageModel.join`."""
        hidden = np.concatenate([state.hidden for state in states], axis=1)
        return LSTMState(hidden, np.concatenate([state.cell for state in states], axis=1))

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
        # The product of a word is made once, however often the word is there.
        words, places = np.unique(token_ids, return_inverse=True)
        gates = self._layers[0].input_gates(self.embedding(words))[places.reshape(token_ids.shape)]
        hidden, cell = np.empty_like(state.hidden), np.empty_like(state.cell)
        # The state of a column must stay after its end. None: all columns have the full length.
        ragged = None if lengths is None or (lengths == len(token_ids)).all() else lengths
        for index, layer in enumerate(self._layers):
            outputs, hidden[index], cell[index] = layer.run(
                gates, state.hidden[index], state.cell[index], ragged, many_columns=self.many_columns
            )
            if index + 1 < len(self._layers):
                inputs, shape = outputs.reshape(-1, outputs.shape[2]), gates.shape
                # Gates are the largest arrays here: those of two layers are not kept at the same time.
                del gates
                gates = self._layers[index + 1].input_gates(inputs).reshape(shape)
        return outputs, LSTMState(hidden, cell)
