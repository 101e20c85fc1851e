"""One layer of a Transformer in NumPy.

A layer adds two terms to the vector x of each position. The first is the output of attention over the positions
that it sees, the second the output of a feed-forward part, which sees only the position itself:

    x += attention(norm(x)) output
    x += (silu(gates) * units) output,   gates and units: norm(x) times a matrix each

norm(x) is x divided by its root mean square, times a scale for each element (Zhang & Sennrich 2019,
arXiv:1910.07467); silu(x) = x sigmoid(x); the feed-forward part is SwiGLU (Shazeer 2020, arXiv:2002.05202). A norm
is applied to the input of each part, not to the sum (Radford et al. 2019, section 2.3).
`layers/keras/transformer_layer.py` is the same layer for training.

Axes: B batch, T time, D hidden units, A heads, K = D / A, F feed-forward units.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmctl.layers.attention import Attention, Memory
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.layers.positions import Positions

# It is added to the mean of squares before the root.
NORM_EPSILON = 1e-6
# Rounding to float32 makes a vector longer than its bound by much less than this.
BOUND_SLACK = 1.01


class LayerSizes(Protocol):
    """The dimensions of a layer: D, A, K and F, and how many positions a position sees."""

    @property
    def hidden_units(self) -> int: ...  # noqa: D102

    @property
    def heads(self) -> int: ...  # noqa: D102

    @property
    def head_dim(self) -> int: ...  # noqa: D102

    @property
    def feedforward_units(self) -> int: ...  # noqa: D102

    @property
    def context(self) -> int: ...  # noqa: D102


def layer_shapes(name: str, units: int, feedforward_units: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of one layer.

    The columns of `queries_keys_values` are the queries of all heads, then the keys, then the values. The columns
    of `gates_units` are the gates, then the units that the gates multiply.

    Args:
        name: prefix of the names.
        units: D.
        feedforward_units: F.
    """
    return {
        f"{name}.attention.norm": (units,),
        f"{name}.attention.queries_keys_values": (units, 3 * units),
        f"{name}.attention.output": (units, units),
        f"{name}.feedforward.norm": (units,),
        f"{name}.feedforward.gates_units": (units, 2 * feedforward_units),
        f"{name}.feedforward.output": (feedforward_units, units),
    }


class TransformerLayer:
    """One layer.

    Args:
        sizes: the dimensions of the layer.
        positions: how attention tells positions apart.
        weights: of all layers, by name.
        name: prefix of the names of this layer's weights.
    """

    def __init__(
        self, sizes: LayerSizes, positions: Positions, weights: Mapping[str, Float32Array], name: str
    ) -> None:
        self._heads, self._head_dim, self._units = sizes.heads, sizes.head_dim, sizes.feedforward_units
        projections = weights[f"{name}.attention.queries_keys_values"]
        self._attention_norm = weights[f"{name}.attention.norm"]
        self._projections = ExactMatrix(projections)
        self._attention_output = ExactMatrix(weights[f"{name}.attention.output"])
        self._feedforward_norm = weights[f"{name}.feedforward.norm"]
        self._gates_units = ExactMatrix(weights[f"{name}.feedforward.gates_units"])
        self._feedforward_output = ExactMatrix(weights[f"{name}.feedforward.output"])
        bounds = _bounds(self._attention_norm, projections[:, 2 * sizes.hidden_units :])
        self._attention = Attention(sizes.heads, sizes.context, positions, bounds)

    def run(
        self, vectors: Float32Array, memory: Memory, read: IntArray, wanted: IntArray | None = None
    ) -> tuple[Float32Array, Memory]:
        """Read positions, each of which sees those before it.

        Args:
            vectors: input of the layer, (B, T, D).
            memory: memory of the positions before.
            read: number of positions that each column has read before, (B,).
            wanted: the positions whose vectors are returned, (B, N); None: all T.

        Returns:
            The output of the layer, (B, T, D) or (B, N, D), and the memory with all T positions at its end.
        """
        queries, keys, values = self._projected(vectors)
        remembered = memory.keys.shape[1]
        memory = self._attention.remember(keys, values, memory, read)
        vectors, queries, wanted = _at(vectors, queries, wanted)
        answers = self._attention.answer(queries, memory, remembered + wanted, read, remembered)
        return self._added(vectors, answers), memory

    def run_where(self, vectors: Float32Array, is_seen: BoolArray, wanted: IntArray | None = None) -> Float32Array:
        """Read whole texts, in which a position may also see later positions.

        Args:
            vectors: input of the layer, (B, T, D).
            is_seen: whether each position (of those in `wanted`) sees each position, (B, N, T).
            wanted: the positions whose vectors are returned, (B, N); None: all T.

        Returns:
            The output of the layer, (B, T, D) or (B, N, D).
        """
        queries, keys, values = self._projected(vectors)
        batch = len(vectors)
        empty = Memory.empty(batch, self._heads, self._head_dim)
        memory = self._attention.remember(keys, values, empty, np.zeros(batch, dtype=np.int64))
        vectors, queries, wanted = _at(vectors, queries, wanted)
        return self._added(vectors, self._attention.answer_where(queries, memory, wanted, is_seen))

    def _projected(self, vectors: Float32Array) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Queries, keys and values, (B, T, A, K) each."""
        projected = _times(normalized(vectors, self._attention_norm), self._projections)
        parts = projected.reshape(*vectors.shape[:2], 3, self._heads, self._head_dim)
        return parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]

    def _added(self, vectors: Float32Array, answers: Float32Array) -> Float32Array:
        """Vectors (B, T, D) with both parts of the layer added, given the answers of the heads."""
        vectors = vectors + _times(answers.reshape(vectors.shape), self._attention_output)
        gates_units = _times(normalized(vectors, self._feedforward_norm), self._gates_units)
        gates, units = gates_units[:, :, : self._units], gates_units[:, :, self._units :]
        # silu(x) = x (1 + tanh(x / 2)) / 2.
        opened = np.tanh(gates * np.float32(0.5))
        opened += 1
        opened *= gates
        opened *= units
        opened *= np.float32(0.5)
        return vectors + _times(opened, self._feedforward_output)


def normalized(vectors: Float32Array, scale: Float32Array) -> Float32Array:
    """Vectors (B, T, D) divided by their root mean square, times a scale (D,)."""
    # Each row is summed separately, without a buffer, so its sum does not depend on other rows.
    squares = vectors.astype(np.float64)
    squares *= squares
    roots = np.sqrt(np.add.reduce(squares, axis=2, keepdims=True) / vectors.shape[2] + NORM_EPSILON)
    scaled: Float32Array = (vectors / roots * scale).astype(np.float32)
    return scaled


def _at(
    vectors: Float32Array, queries: Float32Array, wanted: IntArray | None
) -> tuple[Float32Array, Float32Array, IntArray]:
    """Vectors and queries at the wanted positions, and these positions, (B, N)."""
    batch, steps = vectors.shape[:2]
    if wanted is None:
        return vectors, queries, np.broadcast_to(np.arange(steps), (batch, steps))
    columns = np.arange(batch)[:, None]
    return vectors[columns, wanted], queries[columns, wanted], wanted


def _times(vectors: Float32Array, matrix: ExactMatrix) -> Float32Array:
    """The products of vectors (B, T, N) and a matrix, (B, T, M)."""
    product = matrix.times_rows(vectors.reshape(-1, vectors.shape[2]))
    return product.reshape(*vectors.shape[:2], -1)


def _bounds(scale: Float32Array, matrix: Float32Array) -> Float64Array:
    """An upper bound of the elements of the product of a normalized vector and a matrix, (M,).

    A vector divided by its root mean square has a length of at most sqrt(D). The bound is sqrt(D) times the length
    of each column (Cauchy-Schwarz).
    """
    columns = scale.astype(np.float64)[:, None] * matrix
    bounds: Float64Array = BOUND_SLACK * math.sqrt(len(matrix)) * np.sqrt((columns * columns).sum(axis=0))
    return bounds
