"""The Transformer language model in NumPy: the network of `families/transformer/keras/network.py`, for queries.

`layers/transformer_layer.py` states the formulas of a layer.

Axes: B batch, T time, D hidden units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.attention import Memory
from lmctl.layers.transformer_layer import TransformerLayer, normalized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.transformer.sizes import TransformerSizes


@dataclass(frozen=True, slots=True)
class TransformerState:
    """The part of the text that the next position can see.

    Attributes:
        memories: keys and values of the latest positions, at most `context` - 1, for each layer.
        read: number of positions that each column has read, (B,) int64.
        features: the input of the softmax, (B, D) float32; zeros if nothing has been read.
    """

    memories: tuple[Memory, ...]
    read: IntArray
    features: Float32Array


class TransformerLanguageModel(SoftmaxLanguageModel[TransformerState]):
    """Embedding, layers of attention and feed-forward parts, softmax.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: TransformerSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self._scale = np.float32(math.sqrt(sizes.hidden_units))
        self._layers = [
            TransformerLayer(sizes, sizes.positions, weights, f"transformer.{layer}")
            for layer in range(sizes.layers)
        ]
        self._norm = weights["transformer.norm"]

    def null_state(self, batch: int) -> TransformerState:
        """See `LanguageModel.null_state`: empty memories."""
        empty = Memory.empty(batch, self.sizes.heads, self.sizes.head_dim)
        return TransformerState(
            (empty,) * self.sizes.layers,
            np.zeros(batch, dtype=np.int64),
            np.zeros((batch, self.sizes.hidden_units), dtype=np.float32),
        )

    def advance(
        self, state: TransformerState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> TransformerState:
        """See `LanguageModel.advance`."""
        return self._run(state, token_ids, lengths, last_only=True)[1]

    def select_columns(self, state: TransformerState, columns: IntArray) -> TransformerState:
        """See `LanguageModel.select_columns`."""
        memories = tuple(memory.select_columns(columns) for memory in state.memories)
        return TransformerState(memories, state.read[columns], state.features[columns])

    def join(self, states: Sequence[TransformerState]) -> TransformerState:
        """See `LanguageModel.join`."""
        memories = (
            Memory.side_by_side(of_layer) for of_layer in zip(*(each.memories for each in states), strict=True)
        )
        return TransformerState(
            tuple(memories),
            np.concatenate([state.read for state in states]),
            np.concatenate([state.features for state in states]),
        )

    def features(self, state: TransformerState) -> Float32Array:
        """See `LanguageModel.features`: the norm of the last layer's output, (B, D)."""
        return state.features

    def advance_with_features(
        self, state: TransformerState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, TransformerState]:
        """See `LanguageModel.advance_with_features`; the last layer's outputs behind its norm."""
        return self._run(state, token_ids, lengths)

    def _run(
        self, state: TransformerState, token_ids: IntArray, lengths: IntArray | None, *, last_only: bool = False
    ) -> tuple[Float32Array, TransformerState]:
        """Compute the inputs of the softmax, (T, B, D), and the state at the end of each column.

        Args:
            state: the state before the first token.
            token_ids: (T, B).
            lengths: number of tokens to read in each column, (B,); None: all T.
            last_only: whether to compute only the vector of each column's last token, (1, B, D). Then the last
                layer stores keys and values of the other positions, and computes nothing else for them.
        """
        steps, batch = token_ids.shape
        if not steps:
            return np.zeros((0, batch, self.sizes.hidden_units), dtype=np.float32), state
        new = np.full(batch, steps) if lengths is None else np.asarray(lengths)
        read = state.read + new
        # The positions of each column that the next position can see.
        remembered = min(int(read.max(initial=0)), self.sizes.context - 1)
        vectors = self.embedding(token_ids.T) * self._scale
        memories = []
        last = np.maximum(new - 1, 0)[:, None]
        for number, (layer, memory) in enumerate(zip(self._layers, state.memories, strict=True), start=1):
            wanted = last if last_only and number == len(self._layers) else None
            vectors, memory = layer.run(vectors, memory, state.read, wanted)
            memories.append(memory.latest(remembered, steps - new))
        outputs = normalized(vectors, self._norm)
        features = outputs[:, 0] if last_only else outputs[np.arange(batch), last[:, 0]]
        features = np.where((new > 0)[:, None], features, state.features)
        return np.ascontiguousarray(outputs.transpose(1, 0, 2)), TransformerState(tuple(memories), read, features)
