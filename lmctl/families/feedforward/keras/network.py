"""The feed-forward language model in Keras: the vectors of the last words, a hidden layer, softmax.

`families/feedforward/runtime.py` is the same network in NumPy, for queries, and states the formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork, shape_of
from lmctl.layers.keras.products import product

if TYPE_CHECKING:
    from lmctl.families.feedforward.config import FeedForwardConfig
    from lmctl.families.feedforward.sizes import FeedForwardSizes
    from lmctl.layers.keras.initial_weights import InitialWeights


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """Dropout rates in training, 0 to 1.

    Attributes:
        words: rate for words of the vocabulary. The vector of a dropped word is zero in a whole segment.
        inputs: rate for elements of the embedded words. An element is dropped in all contexts that the word is in.
        outputs: rate for elements of the input of the softmax.
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0

    @classmethod
    def of(cls, model: FeedForwardConfig) -> Dropout:
        """The dropout rates of a configuration."""
        return cls(words=model.word_dropout, inputs=model.input_dropout, outputs=model.dropout)


class FeedForwardNetwork(WordNetwork):
    """A language model that predicts from the last n - 1 words.

    No step depends on the step before, so a whole segment is computed at once. The state is the ids of the last
    n - 1 words, (n - 1, B) int32; the id V is padding.

    Args:
        sizes: the dimensions.
        dropout: dropout rates in training. The masks follow from the seed that each call gets.
        initial: the initial weights.
        precision: "float32", or "mixed_bfloat16", which rounds the factors of the products.
        scatters: see `Softmax`.

    Attributes:
        batch_axis: the axis of B in a state.
    """

    batch_axis = 1

    def __init__(
        self,
        sizes: FeedForwardSizes,
        *,
        dropout: Dropout,
        initial: InitialWeights,
        precision: str = "float32",
        scatters: bool = True,
    ) -> None:
        super().__init__(sizes.word_layers, initial, name="feedforward_language_model")
        self.sizes = sizes
        self._dropout = dropout
        self._product_dtype = keras.DTypePolicy(precision).compute_dtype
        shape = (sizes.context_words * sizes.embedding_dim, sizes.hidden_units)
        self.padding = self.add_weight(shape=(sizes.embedding_dim,), initializer=initial.uniform())
        self.kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.GlorotUniform(seed=initial.seed())
        )
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros")
        self.direct: Any = None
        if sizes.direct_connections:
            self.direct = self.add_weight(
                shape=shape, initializer=keras.initializers.GlorotUniform(seed=initial.seed())
            )
        self.add_softmax(initial, dtype=self._product_dtype, scatters=scatters)

    def null_state(self, batch: int) -> Any:
        """See `Network.null_state`: only padding, (n - 1, B) int32."""
        return tf.fill((self.sizes.context_words, batch), self.sizes.vocabulary_size)

    def restarted(self, state: Any, restart: Any) -> Any:
        """See `Network.restarted`; the columns that restart get padding."""
        return tf.where(restart, self.sizes.vocabulary_size, state)

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Compute the hidden vector after every input, and the state after the last one.

        Args:
            inputs: token ids, (T, B) int32.
            state: (n - 1, B) int32.
            dropout_seed: two integers from which all dropout masks follow; None: no dropout.

        Returns:
            Hidden vectors, (T, B, H) float32, and the state, (n - 1, B) int32.
        """
        masks = Masks(dropout_seed)
        text = tf.concat([state, inputs], axis=0)
        steps = tf.shape(inputs)[0]
        # The context after the first input begins with the second id of the state.
        vectors = masks.drop(self._embedded(text[1:], masks), self._dropout.inputs)
        contexts = tf.concat([vectors[word : word + steps] for word in range(self.sizes.context_words)], axis=2)
        flat = tf.reshape(contexts, (-1, self.kernel.shape[0]))
        hidden = tf.tanh(self._product(flat, self.kernel) + self.bias)
        if self.direct is not None:
            hidden += self._product(flat, self.direct)
        hidden = masks.drop(hidden, self._dropout.outputs)
        return tf.reshape(hidden, (*shape_of(inputs), self.sizes.hidden_units)), text[steps:]

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        named = {"padding": self.padding, "hidden.kernel": self.kernel, "hidden.bias": self.bias}
        return named if self.direct is None else named | {"direct.kernel": self.direct}

    def _embedded(self, token_ids: Any, masks: Masks) -> Any:
        """Vectors of token ids; an id may be padding."""
        is_padding = token_ids == self.sizes.vocabulary_size
        vectors = self.embedded(tf.where(is_padding, 0, token_ids), masks, self._dropout.words)
        return tf.where(is_padding[..., None], tf.convert_to_tensor(self.padding), vectors)

    def _product(self, rows: Any, matrix: Any) -> Any:
        return product(rows, tf.convert_to_tensor(matrix), self._product_dtype)
