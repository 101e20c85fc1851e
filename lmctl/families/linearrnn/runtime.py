"""The linear recurrent language model in NumPy: the network of `families/linearrnn/keras/network.py`, for queries.

The products of all words of a context are computed at once, so a query reads the weights of a layer once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.linear_recurrence import LinearRecurrence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.linearrnn.sizes import LinearRNNSizes


@dataclass(frozen=True, slots=True)
class LinearRNNState:
    """The state of a batch.

    Attributes:
        states: c of every layer, (L, B, H).
        inputs: the last input of every layer, (B, D) each; empty if a step reads one input.
        output: the last output of the last layer, (B, H).
    """

    states: Float32Array
    inputs: tuple[Float32Array, ...]
    output: Float32Array


class LinearRNNLanguageModel(SoftmaxLanguageModel[LinearRNNState]):
    """Embedding, linear recurrent layers, softmax.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: LinearRNNSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self._layers = [
            LinearRecurrence(
                sizes.cell, weights[f"linear.{layer}.kernel"], weights[f"linear.{layer}.bias"], sizes.hidden_units
            )
            for layer in range(sizes.layers)
        ]

    def null_state(self, batch: int) -> LinearRNNState:
        """See `LanguageModel.null_state`: zeros."""
        units = self.sizes.hidden_units
        widths = self.sizes.widths if self.sizes.window == 2 else []
        return LinearRNNState(
            states=np.zeros((self.sizes.layers, batch, units), dtype=np.float32),
            inputs=tuple(np.zeros((batch, width), dtype=np.float32) for width in widths),
            output=np.zeros((batch, units), dtype=np.float32),
        )

    def advance(
        self, state: LinearRNNState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> LinearRNNState:
        """See `LanguageModel.advance`."""
        return self.advance_with_features(state, token_ids, lengths)[1]

    def select_columns(self, state: LinearRNNState, columns: IntArray) -> LinearRNNState:
        """See `LanguageModel.select_columns`."""
        return LinearRNNState(
            states=state.states[:, columns],
            inputs=tuple(each[columns] for each in state.inputs),
            output=state.output[columns],
        )

    def join(self, states: Sequence[LinearRNNState]) -> LinearRNNState:
        """See `LanguageModel.join`."""
        return LinearRNNState(
            states=np.concatenate([state.states for state in states], axis=1),
            inputs=tuple(map(np.concatenate, zip(*(state.inputs for state in states), strict=True))),
            output=np.concatenate([state.output for state in states]),
        )

    def features(self, state: LinearRNNState) -> Float32Array:
        """The output of the last layer, (B, H)."""
        return state.output

    def advance_with_features(
        self, state: LinearRNNState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, LinearRNNState]:
        """See `LanguageModel.advance_with_features`. The features are the outputs of the last layer."""
        if not len(token_ids):
            return np.empty((0, *state.output.shape), dtype=np.float32), state
        hidden = self.embedding(token_ids)
        states, inputs = np.empty_like(state.states), []
        # The state of a column must stay after its end. None: all columns have the full length.
        ragged = None if lengths is None or (lengths == len(token_ids)).all() else lengths
        for index, layer in enumerate(self._layers):
            previous = state.inputs[index] if state.inputs else None
            if previous is not None:
                inputs.append(_last(hidden, previous, ragged))
            hidden, states[index] = layer.run(hidden, state.states[index], previous, ragged)
        return hidden, LinearRNNState(states, tuple(inputs), _last(hidden, state.output, ragged))


def _last(values: Float32Array, before: Float32Array, lengths: IntArray | None) -> Float32Array:
    """The last row of each column of (T, B, N), (B, N); that of `before` if a column has none."""
    ends = len(values) if lengths is None else np.asarray(lengths)
    places = np.maximum(np.broadcast_to(ends, len(before)) - 1, 0)[None, :, None]
    last: Float32Array = np.where(np.reshape(ends, (-1, 1)) > 0, np.take_along_axis(values, places, 0)[0], before)
    return last
