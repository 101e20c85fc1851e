"""One layer of a Transformer in Keras; `layers/transformer_layer.py` is the same in NumPy, and has the formulas.

A network owns the variables and decides what attention sees; this module has the products around attention.

Axes: B batch, T time, D hidden units, A heads, K = D / A.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.layers.keras.products import product
from lmctl.layers.transformer_layer import NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.layers.keras.initial_weights import InitialWeights
    from lmctl.layers.transformer_layer import LayerSizes


class TransformerLayer:
    """One layer, on variables that belong to a network.

    Args:
        sizes: the dimensions of the layer.
        weights: the variables of all layers, by name.
        name: prefix of the names of this layer's weights.
        dtype: type of the factors of matrix products.
    """

    def __init__(self, sizes: LayerSizes, weights: Mapping[str, Any], name: str, dtype: str) -> None:
        self._sizes = sizes
        self._weights = weights
        self._name = name
        self._dtype = dtype

    def projected(self, vectors: Any) -> tuple[Any, Any, Any]:
        """Queries, keys and values, (B, A, T, K) each, of vectors (B, T, D)."""
        sizes = self._sizes
        projected = self._times(self._normalized(vectors, "attention.norm"), "attention.queries_keys_values")
        parts = tf.reshape(projected, (*batch_time(vectors), 3, sizes.heads, sizes.head_dim))
        queries, keys, values = tf.unstack(tf.transpose(parts, (2, 0, 3, 1, 4)))
        return queries, keys, values

    def attended(self, answers: Any) -> Any:
        """The term that attention adds to the vectors, (B, T, D), given the output of the heads, (B, A, T, K)."""
        in_time = tf.transpose(answers, (0, 2, 1, 3))
        flat = tf.reshape(in_time, (*batch_time(in_time), self._sizes.hidden_units))
        return self._times(flat, "attention.output")

    def feedforward(self, vectors: Any) -> Any:
        """The term that the feed-forward part adds to vectors (B, T, D)."""
        normed = self._normalized(vectors, "feedforward.norm")
        gates, units = tf.split(self._times(normed, "feedforward.gates_units"), 2, axis=2)
        return self._times(tf.nn.silu(gates) * units, "feedforward.output")

    def _normalized(self, vectors: Any, name: str) -> Any:
        return normalized(vectors, self._weights[f"{self._name}.{name}"])

    def _times(self, vectors: Any, name: str) -> Any:
        """The product of vectors (B, T, N) and the matrix of this name, (B, T, M)."""
        matrix = tf.convert_to_tensor(self._weights[f"{self._name}.{name}"])
        rows = product(tf.reshape(vectors, (-1, matrix.shape[0])), matrix, self._dtype)
        return tf.reshape(rows, (*batch_time(vectors), matrix.shape[1]))


def normalized(vectors: Any, scale: Any) -> Any:
    """Vectors (B, T, D) divided by their root mean square, times a scale (D,)."""
    squares = tf.reduce_mean(tf.square(vectors), axis=2, keepdims=True)
    return vectors * tf.math.rsqrt(squares + NORM_EPSILON) * scale


def batch_time(vectors: Any) -> tuple[Any, Any]:
    """B and T of vectors (B, T, ...): numbers if they are known while the graph is built, else tensors."""
    there = tf.unstack(tf.shape(vectors)[:2])
    return tuple(known or found for known, found in zip(vectors.shape[:2], there, strict=True))


def initializer(name: str, shape: tuple[int, ...], layers: int, initial: InitialWeights) -> Any:
    """The initializer of one weight of the layers or of their norms.

    A product with a matrix keeps the size of a vector's elements. The matrices whose products the layers add up
    are smaller, so that the sum over all layers keeps the size, too (Radford et al. 2019, section 2.3).

    Args:
        name: the name of the weight.
        shape: its shape.
        layers: number of layers.
        initial: the initial weights of the network.
    """
    if len(shape) == 1:
        return "ones"
    stddev = 1 / math.sqrt(shape[0])
    if name.endswith(".output"):
        stddev /= math.sqrt(2 * layers)
    return keras.initializers.RandomNormal(stddev=stddev, seed=initial.seed())
