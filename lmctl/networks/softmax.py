"""Output layers: from hidden vectors to logits over the vocabulary, in Keras."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class FullSoftmax(keras.layers.Layer):  # type: ignore[misc]
    """Logits of the whole vocabulary: a product with every word's output embedding, plus a bias.

    Args:
        vocabulary_size: V.
        initializer: of the output embedding (V, H).
        tied_to: the input embedding layer, whose table then serves as output embedding too.
        dtype: the layer's dtype policy.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        initializer: Any,
        tied_to: keras.layers.Embedding | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name="softmax", dtype=dtype)
        self._vocabulary_size = vocabulary_size
        self._initializer = initializer
        self._tied_to = tied_to

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Make the weights for hidden vectors (..., H)."""
        if self._tied_to is None:
            self.embedding = self.add_weight(
                shape=(self._vocabulary_size, hidden_shape[-1]), initializer=self._initializer, name="embedding"
            )
        else:
            self.embedding = self._tied_to.embeddings
        self.bias = self.add_weight(shape=(self._vocabulary_size,), initializer="zeros", name="bias")

    def call(self, hidden: Any) -> Any:
        """Logits (N, V), always float32, of hidden vectors (N, H)."""
        table = tf.cast(self.embedding, hidden.dtype)
        logits = tf.matmul(hidden, table, transpose_b=True)
        return tf.cast(logits, tf.float32) + tf.cast(self.bias, tf.float32)
