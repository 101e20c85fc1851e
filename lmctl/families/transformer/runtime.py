"""The Transformer language model in NumPy: the network of `families/transformer/keras/network.py`, for queries.

A layer adds two terms to the vector x of each position. The first is the output of attention over the positions
that it sees, the second the output of a feed-forward part, which sees only the position itself:

    x += attention(norm(x)) output
    x += (silu(gates) * units) output,   gates and units: norm(x) times a matrix each

norm(x) is x divided by its root mean square, times a scale for each element (Zhang & Sennrich 2019,
arXiv:1910.07467); silu(x) = x sigmoid(x); the feed-forward part is SwiGLU (Shazeer 2020, arXiv:2002.05202). A norm
is applied to the input of each part, not to the sum (Radford et al. 2019, section 2.3).

Axes: B batch, T time, D hidden units, A heads, K = D / A, F feed-forward units, L layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.families.transformer.weights import NORM_EPSILON
from lmctl.layers.attention import Attention, Memory
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.transformer.sizes import TransformerSizes

# Rounding to float32 makes a vector longer than its bound by much less than this.
BOUND_SLACK = 1.01


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
        self._layers = [_Layer(sizes, weights, f"transformer.{layer}") for layer in range(sizes.layers)]
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
        outputs = _normalized(vectors, self._norm)
        features = outputs[:, 0] if last_only else outputs[np.arange(batch), last[:, 0]]
        features = np.where((new > 0)[:, None], features, state.features)
        return np.ascontiguousarray(outputs.transpose(1, 0, 2)), TransformerState(tuple(memories), read, features)


class _Layer:
    """One layer.

    Args:
        sizes: the dimensions of the network.
        weights: of all layers, by name.
        name: prefix of the names of this layer's weights.
    """

    def __init__(self, sizes: TransformerSizes, weights: Mapping[str, Float32Array], name: str) -> None:
        self._heads, self._head_dim, self._units = sizes.heads, sizes.head_dim, sizes.feedforward_units
        projections = weights[f"{name}.attention.queries_keys_values"]
        self._attention_norm = weights[f"{name}.attention.norm"]
        self._projections = ExactMatrix(projections)
        self._attention_output = ExactMatrix(weights[f"{name}.attention.output"])
        self._feedforward_norm = weights[f"{name}.feedforward.norm"]
        self._gates_units = ExactMatrix(weights[f"{name}.feedforward.gates_units"])
        self._feedforward_output = ExactMatrix(weights[f"{name}.feedforward.output"])
        bounds = _bounds(self._attention_norm, projections[:, 2 * sizes.hidden_units :])
        self._attention = Attention(sizes.heads, sizes.context, sizes.positions, bounds)

    def run(
        self, vectors: Float32Array, memory: Memory, read: IntArray, wanted: IntArray | None = None
    ) -> tuple[Float32Array, Memory]:
        """Compute the output of the layer, (B, T, D), and the memory with these positions at its end.

        Args:
            vectors: input of the layer, (B, T, D).
            memory: memory of the positions before.
            read: number of positions that each column has read before, (B,).
            wanted: the positions whose vectors are returned, (B, N); None: all T.
        """
        batch, steps = vectors.shape[:2]
        projected = _times(_normalized(vectors, self._attention_norm), self._projections)
        parts = projected.reshape(batch, steps, 3, self._heads, self._head_dim)
        queries, remembered = parts[:, :, 0], memory.keys.shape[1]
        memory = self._attention.remember(parts[:, :, 1], parts[:, :, 2], memory, read)
        if wanted is None:
            wanted = np.broadcast_to(np.arange(steps), (batch, steps))
        else:
            columns = np.arange(batch)[:, None]
            vectors, queries = vectors[columns, wanted], queries[columns, wanted]
        answers = self._attention.answer(queries, memory, remembered + wanted, read, remembered)
        vectors = vectors + _times(answers.reshape(vectors.shape), self._attention_output)
        gates_units = _times(_normalized(vectors, self._feedforward_norm), self._gates_units)
        gates, units = gates_units[:, :, : self._units], gates_units[:, :, self._units :]
        # silu(x) = x (1 + tanh(x / 2)) / 2.
        opened = np.tanh(gates * np.float32(0.5))
        opened += 1
        opened *= gates
        opened *= units
        opened *= np.float32(0.5)
        return vectors + _times(opened, self._feedforward_output), memory


def _times(vectors: Float32Array, matrix: ExactMatrix) -> Float32Array:
    """The products of vectors (B, T, N) and a matrix, (B, T, M)."""
    product = matrix.times_rows(vectors.reshape(-1, vectors.shape[2]))
    return product.reshape(*vectors.shape[:2], -1)


def _normalized(vectors: Float32Array, scale: Float32Array) -> Float32Array:
    """Vectors (B, T, D) divided by their root mean square, times a scale (D,)."""
    # Each row is summed separately, without a buffer, so its sum does not depend on other rows.
    squares = vectors.astype(np.float64)
    squares *= squares
    roots = np.sqrt(np.add.reduce(squares, axis=2, keepdims=True) / vectors.shape[2] + NORM_EPSILON)
    normalized: Float32Array = (vectors / roots * scale).astype(np.float32)
    return normalized


def _bounds(scale: Float32Array, matrix: Float32Array) -> Float64Array:
    """An upper bound of the elements of the product of a normalized vector and a matrix, (M,).

    A vector divided by its root mean square has a length of at most sqrt(D). The bound is sqrt(D) times the length
    of each column (Cauchy-Schwarz).
    """
    columns = scale.astype(np.float64)[:, None] * matrix
    bounds: Float64Array = BOUND_SLACK * math.sqrt(len(matrix)) * np.sqrt((columns * columns).sum(axis=0))
    return bounds
