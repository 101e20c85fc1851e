"""The LSTM language model in Keras: Embedding, LSTM layers, softmax over all positions.

The same network in NumPy, for queries, is `runtime/lstm.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.networks.softmax import FullSoftmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.store.bundle import LSTMSizes


class LSTMNetwork(keras.Model):  # type: ignore[misc]
    """A recurrent language model that carries its state from one segment to the next.

    Dropout stands on the embedded inputs and on the output of every layer, not on the recurrence (Zaremba,
    Sutskever & Vinyals 2014, arXiv:1409.2329); its masks follow from a seed that the caller gives.

    Args:
        sizes: the dimensions.
        dropout: share of units left out, 0 to 1.
        init_scale: embeddings start uniformly between minus this and this.
        seed: decides the initial weights.
        precision: Keras dtype policy, "float32" or "mixed_bfloat16"; weights are float32 in both.
    """

    def __init__(
        self, sizes: LSTMSizes, *, dropout: float, init_scale: float, seed: int, precision: str = "float32"
    ) -> None:
        policy = keras.DTypePolicy(precision)
        super().__init__(name="lstm_language_model", dtype=policy)
        self.sizes = sizes
        self._dropout = dropout
        seeds = iter(range(seed * 1000, seed * 1000 + 1000))

        def uniform() -> Any:
            return keras.initializers.RandomUniform(-init_scale, init_scale, seed=next(seeds))

        self.embedding = keras.layers.Embedding(
            sizes.vocabulary_size,
            sizes.embedding_dim,
            embeddings_initializer=uniform(),
            dtype=policy,
            name="embedding",
        )
        self.lstm_layers = [
            keras.layers.LSTM(
                sizes.hidden_units,
                return_sequences=True,
                return_state=True,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
                dtype=policy,
                name=f"lstm_{layer}",
            )
            for layer in range(sizes.layers)
        ]
        self.softmax = FullSoftmax(
            sizes.vocabulary_size,
            initializer=uniform(),
            tied_to=self.embedding if sizes.tied else None,
            dtype=policy,
        )
        self._build_weights()

    def null_state(self, batch: int) -> Any:
        """Zeros: output and cell of every layer, (L, 2, B, H) float32."""
        return tf.zeros((self.sizes.layers, 2, batch, self.sizes.hidden_units))

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Logits after every input, and the state at the end.

        Args:
            inputs: token ids, (T, B).
            state: (L, 2, B, H).
            dropout_seed: two integers that decide the masks; None: no dropout.

        Returns:
            Logits (T, B, V) float32, and the state (L, 2, B, H) float32.
        """
        hidden = self._drop(self.embedding(tf.transpose(inputs)), dropout_seed, 0)  # (B, T, E)
        ends = []
        for index, layer in enumerate(self.lstm_layers):
            start = tf.cast(state[index], layer.compute_dtype)
            hidden, last_hidden, last_cell = layer(hidden, initial_state=[start[0], start[1]])  # (B, T, H)
            hidden = self._drop(hidden, dropout_seed, index + 1)
            ends.append(tf.stack([last_hidden, last_cell]))
        hidden = tf.transpose(hidden, (1, 0, 2))
        steps, batch = tf.shape(hidden)[0], tf.shape(hidden)[1]
        logits = self.softmax(tf.reshape(hidden, (-1, self.sizes.hidden_units)))
        logits = tf.reshape(logits, (steps, batch, self.sizes.vocabulary_size))
        return logits, tf.cast(tf.stack(ends), tf.float32)

    def export_weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights by the names and shapes of `runtime.lstm.weight_shapes`."""
        return {name: variable.numpy() for name, variable in self._named_weights().items()}

    def import_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Take weights that `export_weights` gave."""
        for name, variable in self._named_weights().items():
            variable.assign(weights[name])

    def _named_weights(self) -> dict[str, Any]:
        named = {"embedding": self.embedding.embeddings}
        for index, layer in enumerate(self.lstm_layers):
            named[f"lstm.{index}.kernel"] = layer.cell.kernel
            named[f"lstm.{index}.recurrent_kernel"] = layer.cell.recurrent_kernel
            named[f"lstm.{index}.bias"] = layer.cell.bias
        if not self.sizes.tied:
            named["softmax.embedding"] = self.softmax.embedding
        elif self.softmax.projection is not None:
            named["softmax.projection"] = self.softmax.projection
        named["softmax.bias"] = self.softmax.bias
        return {name: getattr(variable, "value", variable) for name, variable in named.items()}

    def _build_weights(self) -> None:
        self(tf.zeros((1, 1), tf.int32), self.null_state(1))

    def _drop(self, values: Any, dropout_seed: Any, place: int) -> Any:
        if dropout_seed is None or not self._dropout:
            return values
        seed = tf.random.experimental.stateless_fold_in(dropout_seed, place)
        draws = tf.random.stateless_uniform(tf.shape(values), seed)
        kept = tf.cast(draws >= self._dropout, values.dtype)
        return values * kept / tf.cast(1.0 - self._dropout, values.dtype)
