"""Output layers: from hidden vectors to logits over the vocabulary, in Keras."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class FullSoftmax(keras.layers.Layer):  # type: ignore[misc]
    """Logits of the whole vocabulary: a product with every word's output embedding, plus a bias.

    Where the output embedding is the input embedding (Press & Wolf 2017, arXiv:1608.05859) and that has another
    dimension than the hidden vectors, a projection stands between.

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
        self.projection: Any = None

    def build(self, hidden_shape: tuple[int | None, ...]) -> None:
        """Make the weights for hidden vectors (..., H)."""
        if self._tied_to is None:
            self.embedding = self.add_weight(
                shape=(self._vocabulary_size, hidden_shape[-1]), initializer=self._initializer, name="embedding"
            )
        else:
            self.embedding = self._tied_to.embeddings
            if self._tied_to.output_dim != hidden_shape[-1]:
                self.projection = self.add_weight(
                    shape=(hidden_shape[-1], self._tied_to.output_dim),
                    initializer=self._initializer,
                    name="projection",
                )
        # Without autocast: in mixed precision a bias would be rounded to bfloat16 before it is added.
        self.bias = self.add_weight(
            shape=(self._vocabulary_size,), initializer="zeros", name="bias", autocast=False
        )

    def call(self, hidden: Any) -> Any:
        """Logits (N, V), always float32, of hidden vectors (N, H)."""
        if self.projection is not None:
            hidden = tf.matmul(hidden, tf.cast(self.projection, hidden.dtype))
        table = tf.cast(self.embedding, hidden.dtype)
        logits = tf.matmul(hidden, table, transpose_b=True)
        return tf.cast(logits, tf.float32) + tf.cast(self.bias, tf.float32)
