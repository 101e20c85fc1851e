"""A network in Keras with an embedding and a softmax; a family defines what is between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.layers.keras.embedding import WordVectors
from lmctl.layers.keras.softmax import Softmax
from lmctl.layers.keras.views import view_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.layers.keras.initial_weights import InitialWeights
    from lmctl.layers.keras.masks import Masks
    from lmctl.layers.word_layers import WordLayers


class WordNetwork(keras.Model):  # type: ignore[misc]
    """The part of a network that does not depend on its family.

    A subclass makes its own layers after this constructor, then calls `add_softmax`. It implements `call(inputs,
    state, dropout_seed)`, which returns the hidden vectors (T, B, H) float32 and the state at the end, and
    `inner_weights`.

    Args:
        layers: the sizes of embedding and softmax.
        initial: the initial weights.
        name: name of the Keras model.

    Attributes:
        embedding: the word vectors of the input.
        softmax: the output layer.
        column_groups: see `Network`.
    """

    column_groups = 2

    def __init__(self, layers: WordLayers, initial: InitialWeights, *, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self._word_layers = layers
        # The seeds of the projections are far from those of other weights.
        self.embedding = WordVectors(
            layers.input_clusters,
            initializer=initial.uniform,
            seed=initial.seed() + 500,
            name="embedding",
            shared=layers.tied,
        )

    def add_softmax(self, initial: InitialWeights, *, dtype: str, scatters: bool) -> None:
        """Make the output layer.

        Args:
            initial: the initial weights.
            dtype: type of the factors of matrix products.
            scatters: see `Softmax`.
        """
        layers, vectors = self._word_layers, self.embedding
        if not layers.tied:
            vectors = WordVectors(
                layers.clusters, initializer=initial.uniform, seed=initial.seed() + 700, name="softmax.embedding"
            )
        self.softmax = Softmax(
            vectors, layers.hidden_dim, initializer=initial.uniform, dtype=dtype, scatters=scatters
        )
        self.built = True

    def inner_weights(self) -> dict[str, Any]:
        """The Keras variables between embedding and softmax, by the names of the weights in a bundle."""
        raise NotImplementedError

    def embedded(self, inputs: Any, masks: Masks, word_dropout: float) -> Any:
        """Word vectors (T, B, E) of token ids (T, B).

        Args:
            inputs: token ids.
            masks: the dropout masks of this step.
            word_dropout: share of the words of the vocabulary whose vectors are zero in this step.
        """
        token_ids = tf.reshape(inputs, (-1,))
        vectors = self.embedding(token_ids)
        if word_dropout:
            kept = masks.draw((self._word_layers.vocabulary_size, 1), word_dropout)
            vectors = vectors if kept is None else vectors * tf.gather(kept, token_ids)
        return tf.reshape(vectors, (*shape_of(inputs), self._word_layers.embedding_dim))

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """See `Network.cross_entropy`."""
        hidden, state = self(inputs, state, dropout_seed)
        flat = tf.reshape(hidden, (-1, hidden.shape[-1]))
        nats = self.softmax.cross_entropy(flat, tf.reshape(targets, (-1,)))
        return tf.reshape(nats, tf.shape(targets)), state

    def log_probs(self, inputs: Any, state: Any) -> Any:
        """Natural log probabilities of all words after each input, (T, B, V), without dropout."""
        hidden, _ = self(inputs, state)
        flat = self.softmax(tf.reshape(hidden, (-1, self._word_layers.hidden_dim)))
        return tf.reshape(flat, (*inputs.shape, self._word_layers.vocabulary_size))

    def export_weights(self) -> dict[str, NDArray[np.float32]]:
        """See `Network.export_weights`."""
        return {name: view_of(variable) for name, variable in self.named_weights().items()}

    def import_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """See `Network.import_weights`."""
        for name, variable in self.named_weights().items():
            variable.assign(weights[name])

    def named_weights(self) -> dict[str, Any]:
        """See `Network.named_weights`."""
        named = self.embedding.named_weights() | self.softmax.named_weights() | self.inner_weights()
        if not self._word_layers.tied:
            named |= self.softmax.vectors.named_weights()
        return {name: variable.value for name, variable in sorted(named.items())}


def shape_of(values: Any) -> list[Any]:
    """The dimensions of a tensor: numbers if they are known while the graph is built, else tensors."""
    return [known or found for known, found in zip(values.shape, tf.unstack(tf.shape(values)), strict=True)]
