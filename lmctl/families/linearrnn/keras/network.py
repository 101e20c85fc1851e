"""The linear recurrent language model in Keras: embedding, layers without matrix products over time, softmax.

`families/linearrnn/runtime.py` is the same network in NumPy, for queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.layers.keras.linear_recurrence import LinearRecurrence
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork

if TYPE_CHECKING:
    from lmctl.families.linearrnn.config import LinearRNNConfig
    from lmctl.families.linearrnn.sizes import LinearRNNSizes
    from lmctl.layers.keras.initial_weights import InitialWeights


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """Dropout rates in training, 0 to 1.

    Attributes:
        words: rate for words of the vocabulary; the vector of a dropped word is zero in a whole segment.
        inputs: rate for elements of the embedded inputs, the same at every step of a segment.
        outputs: rate for elements of the output of every layer, the same at every step of a segment.
        zoneout: rate for elements of a state that are not updated in a step (Krueger et al. 2017,
            arXiv:1606.01305).
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    zoneout: float = 0.0

    @classmethod
    def of(cls, model: LinearRNNConfig) -> Dropout:
        """The dropout rates of a configuration."""
        return cls(
            words=model.word_dropout, inputs=model.input_dropout, outputs=model.dropout, zoneout=model.zoneout
        )


class LinearRNNNetwork(WordNetwork):
    """A linear recurrent language model that carries its state from one segment to the next.

    Args:
        sizes: the dimensions.
        dropout: dropout rates in training. The masks follow from the seed that each call gets.
        initial: the initial weights.
        precision: "float32" or "mixed_bfloat16"; the latter rounds the factors of products to bfloat16.
        on_processor: whether XLA compiles the loops, and gradients are updated in place (`Softmax`).

    Attributes:
        batch_axis: the axis of B in a state: for each layer its state (B, H), and its last input, (B, D); (B, 0)
            if a step reads one input.
    """

    batch_axis = 0

    def __init__(
        self,
        sizes: LinearRNNSizes,
        *,
        dropout: Dropout,
        initial: InitialWeights,
        precision: str = "float32",
        on_processor: bool = True,
    ) -> None:
        super().__init__(sizes.word_layers, initial, name="linear_recurrent_language_model")
        self.sizes = sizes
        self._dropout = dropout
        self._on_processor = on_processor
        dtype = keras.DTypePolicy(precision).compute_dtype
        self.recurrences = [
            LinearRecurrence(sizes.cell, width, sizes.hidden_units, initial=initial, dtype=dtype)
            for width in sizes.widths
        ]
        self.add_softmax(initial, dtype=dtype, scatters=on_processor)

    def null_state(self, batch: int) -> Any:
        """See `Network.null_state`: zeros."""
        return [
            (tf.zeros((batch, self.sizes.hidden_units)), tf.zeros((batch, width if self.sizes.window == 2 else 0)))
            for width in self.sizes.widths
        ]

    def restarted(self, state: Any, restart: Any) -> Any:
        """See `Network.restarted`."""
        stays = tf.cast(~restart, tf.float32)[:, None]
        return tf.nest.map_structure(lambda part: part * stays, state)

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Compute the hidden vector after every input, and the state after the last one.

        Args:
            inputs: token ids, (T, B) int32.
            state: see `batch_axis`.
            dropout_seed: two integers from which all dropout masks follow; None: no dropout.

        Returns:
            Hidden vectors, (T, B, H) float32, and the state.
        """
        masks = Masks(dropout_seed)
        vectors = self.embedded(inputs, masks, self._dropout.words)
        hidden = masks.drop(vectors, self._dropout.inputs, locked=True)
        ends = []
        for layer, (before, previous) in zip(self.recurrences, state, strict=True):
            shape = (*tf.unstack(tf.shape(inputs)), self.sizes.hidden_units)
            outputs, last = layer.scan(
                hidden,
                before,
                previous,
                updates=masks.draw(shape, self._dropout.zoneout),
                compiled=self._on_processor and dropout_seed is not None,
            )
            ends.append((last, hidden[-1] if self.sizes.window == 2 else previous))
            hidden = masks.drop(outputs, self._dropout.outputs, locked=True)
        return hidden, ends

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        named = {}
        for index, layer in enumerate(self.recurrences):
            named[f"linear.{index}.kernel"] = layer.kernel
            named[f"linear.{index}.bias"] = layer.bias
        return named
