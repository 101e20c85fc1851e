"""The Transformer language model in Keras: word vectors, layers of attention, softmax over all positions.

`families/transformer/runtime.py` is the same network in NumPy, for queries.

A segment continues the segment before. The keys and values of the latest positions are carried from one segment to
the next as they were computed, and no gradient passes through them. (Dai et al. 2019, arXiv:1901.02860, section
3.2, carry the inputs of the layers instead.) So a position of a segment sees the same positions as in a text that
is read at once.

Axes: T time, B batch, D hidden units, A heads, K = D / A, M = `context` - 1 positions remembered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.families.transformer.weights import inner_weight_shapes
from lmctl.layers.keras.attention import attend, causal_bias, memory_bias, rotate
from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork
from lmctl.layers.keras.transformer_layer import TransformerLayer, initializer, normalized
from lmctl.layers.positions import alibi_slopes

if TYPE_CHECKING:
    from lmctl.families.transformer.config import TransformerConfig
    from lmctl.families.transformer.sizes import TransformerSizes


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """Dropout rates in training, 0 to 1.

    Attributes:
        words: rate for words of the vocabulary. The vector of a dropped word is zero in a whole segment.
        inputs: rate for elements of the embedded inputs.
        outputs: rate for elements of the output of each part of a layer, and of the last layer's output.
        attention: rate for attention weights.
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    attention: float = 0.0

    @classmethod
    def of(cls, model: TransformerConfig) -> Dropout:
        """The dropout rates of a configuration."""
        return cls(
            words=model.word_dropout,
            inputs=model.input_dropout,
            outputs=model.dropout,
            attention=model.attention_dropout,
        )


class TransformerNetwork(WordNetwork):
    """A Transformer language model that carries keys and values from one segment to the next.

    A state has three parts: the keys of each layer, (B, A, M, K); the values of each layer, (B, A, M, K); and the
    number of positions that each column has read, (B,) int32.

    Args:
        sizes: the dimensions.
        dropout: dropout rates in training. The masks follow from the seed that each call gets.
        init_scale: word vectors are drawn uniformly from [-init_scale, init_scale].
        seed: all initial weights follow from it.
        precision: "float32" or "mixed_bfloat16". The latter rounds the factors of matrix products. Weights and
            losses are float32.
        scatters: see `layers.keras.softmax.Softmax`.

    Attributes:
        batch_axis: the axis of B in the tensors of a state.
    """

    batch_axis = 0

    def __init__(
        self,
        sizes: TransformerSizes,
        *,
        dropout: Dropout,
        init_scale: float,
        seed: int,
        precision: str = "float32",
        scatters: bool = True,
    ) -> None:
        initial = InitialWeights(seed, init_scale)
        super().__init__(sizes.word_layers, initial, name="transformer_language_model")
        self.sizes = sizes
        self._dropout = dropout
        self._dtype_of_products = keras.DTypePolicy(precision).compute_dtype
        self._remembered = sizes.context - 1
        self._inner = {
            name: self.add_weight(
                shape=shape,
                initializer=initializer(name, shape, sizes.layers, initial),
                name=name.replace(".", "_"),
            )
            for name, shape in inner_weight_shapes(sizes).items()
        }
        self._layers_of_attention = [
            TransformerLayer(sizes, self._inner, f"transformer.{layer}", self._dtype_of_products)
            for layer in range(sizes.layers)
        ]
        self.add_softmax(initial, dtype=self._dtype_of_products, scatters=scatters)

    def null_state(self, batch: int) -> Any:
        """See `Network.null_state`: no column has read anything, so all positions of its memories are hidden."""
        sizes = self.sizes
        empty = tf.zeros((batch, sizes.heads, self._remembered, sizes.head_dim))
        return [empty] * sizes.layers, [empty] * sizes.layers, tf.zeros((batch,), tf.int32)

    def restarted(self, state: Any, restart: Any) -> Any:
        """See `Network.restarted`; the memories of the columns that restart become hidden."""
        keys, values, read = state
        return keys, values, tf.where(restart, 0, read)

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Compute the hidden vector after every input, and the state after the last one.

        Args:
            inputs: token ids, (T, B) int32.
            state: the state before the first input.
            dropout_seed: two integers from which all dropout masks follow; None: no dropout.

        Returns:
            Hidden vectors, (T, B, D) float32, and the state.
        """
        masks = Masks(dropout_seed)
        vectors = self.embedded(inputs, masks, self._dropout.words) * math.sqrt(self.sizes.hidden_units)
        vectors = masks.drop(tf.transpose(vectors, (1, 0, 2)), self._dropout.inputs)
        keys, values, read = state
        steps = tf.shape(inputs)[0] if inputs.shape[0] is None else inputs.shape[0]
        slopes = alibi_slopes(self.sizes.heads) if self.sizes.positions == "alibi" else None
        bias = causal_bias(steps, self._remembered, self.sizes.context, slopes)
        bias += memory_bias(read, self._remembered, steps)
        kept_keys, kept_values = [], []
        for layer, *carried in zip(self._layers_of_attention, keys, values, strict=True):
            answers, memory = self._attention(layer, vectors, tuple(carried), bias, read, masks)
            vectors += masks.drop(answers, self._dropout.outputs)
            vectors += masks.drop(layer.feedforward(vectors), self._dropout.outputs)
            kept_keys.append(memory[0])
            kept_values.append(memory[1])
        hidden = masks.drop(normalized(vectors, self._inner["transformer.norm"]), self._dropout.outputs)
        return tf.transpose(hidden, (1, 0, 2)), (kept_keys, kept_values, read + steps)

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        return dict(self._inner)

    def _attention(
        self, layer: TransformerLayer, vectors: Any, memory: tuple[Any, Any], bias: Any, read: Any, masks: Masks
    ) -> tuple[Any, tuple[Any, Any]]:
        """Compute the output of attention, (B, T, D), and the keys and values that are carried on.

        Args:
            layer: the layer.
            vectors: input of the layer, (B, T, D).
            memory: keys and values of the positions before, (B, A, M, K) each.
            bias: added to the scores.
            read: number of positions that each column has read before, (B,).
            masks: the dropout masks of this step.
        """
        sizes = self.sizes
        queries, keys, values = layer.projected(vectors)
        if sizes.positions == "rotary":
            queries, keys = rotate(queries, read), rotate(keys, read)
        keys, values = tf.concat([memory[0], keys], axis=2), tf.concat([memory[1], values], axis=2)
        answers = attend(
            queries,
            keys,
            values,
            bias,
            dtype=self._dtype_of_products,
            drop=lambda weights: masks.drop(weights, self._dropout.attention),
        )
        first = tf.shape(keys)[2] - self._remembered
        carried = tf.stop_gradient(keys[:, :, first:]), tf.stop_gradient(values[:, :, first:])
        shape = (None, sizes.heads, self._remembered, sizes.head_dim)
        carried = tuple(tf.ensure_shape(part, shape) for part in carried)
        return layer.attended(answers), carried
