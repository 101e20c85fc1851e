"""The LSTM language model in Keras: word vectors, LSTM layers, softmax over all positions.

The same network in NumPy, for queries, is `families/lstm/runtime.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.families.lstm.keras.layer import LSTM
from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork

if TYPE_CHECKING:
    from lmctl.families.lstm.config import LSTMConfig
    from lmctl.families.lstm.sizes import LSTMSizes


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out while training, each a share from 0 to 1.

    Attributes:
        words: of the vocabulary: a word's vector is zero in a whole segment (Gal & Ghahramani 2016,
            arXiv:1512.05287).
        inputs: of the elements of the embedded inputs.
        outputs: of the elements of every layer's output.
        weights: of the entries of the recurrent kernels (Merity, Keskar & Socher 2018, arXiv:1708.02182).
        locked: inputs and outputs leave out the same elements at every step of a segment (Gal & Ghahramani), in
            place of other ones at every step (Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329).
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    weights: float = 0.0
    locked: bool = True

    @classmethod
    def of(cls, model: LSTMConfig) -> Dropout:
        """What a configuration asks for."""
        return cls(
            words=model.word_dropout,
            inputs=model.input_dropout,
            outputs=model.dropout,
            weights=model.weight_dropout,
            locked=model.locked_dropout,
        )


class LSTMNetwork(WordNetwork):
    """A recurrent language model that carries its state from one segment to the next.

    Args:
        sizes: the dimensions.
        dropout: what is left out while training; the masks follow from a seed that the caller gives.
        init_scale: word vectors start uniformly between minus this and this.
        seed: decides the initial weights.
        precision: "float32", or "mixed_bfloat16": "scan" then rounds the factors of the large products, "keras"
            computes all of the recurrence in bfloat16. Weights and losses are float32 in both.
        recurrence: "scan", lmctl's own loop; or "keras", keras.layers.LSTM, which is cuDNN's on a GPU.

    Attributes:
        batch_axis: the axis of B in a state, (L, 2, B, H).
    """

    batch_axis = 2

    def __init__(
        self,
        sizes: LSTMSizes,
        *,
        dropout: Dropout,
        init_scale: float,
        seed: int,
        precision: str = "float32",
        recurrence: str = "scan",
    ) -> None:
        initial = InitialWeights(seed, init_scale)
        super().__init__(sizes.word_layers, initial, name="lstm_language_model")
        policy = keras.DTypePolicy(precision)
        self.sizes = sizes
        self._dropout = dropout
        self._recurrence = recurrence
        self.lstm_layers = []
        width = sizes.embedding_dim
        for index in range(sizes.layers):
            layer = LSTM(
                sizes.hidden_units,
                kernel_initializer=keras.initializers.GlorotUniform(seed=initial.seed()),
                recurrent_initializer=keras.initializers.Orthogonal(seed=initial.seed()),
                dtype=policy,
                name=f"lstm_{index}",
            )
            layer.build((None, None, width))
            self.lstm_layers.append(layer)
            width = sizes.hidden_units
        self.add_softmax(initial, dtype=policy.compute_dtype, scatters=recurrence == "scan")

    def null_state(self, batch: int) -> Any:
        """Zeros: output and cell of every layer, (L, 2, B, H) float32."""
        return tf.zeros((self.sizes.layers, 2, batch, self.sizes.hidden_units))

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Hidden vectors after every input, and the state at the end.

        Args:
            inputs: token ids, (T, B) int32.
            state: (L, 2, B, H).
            dropout_seed: two integers that decide the masks; None: no dropout.

        Returns:
            What the softmax reads, (T, B, H) float32, and the state (L, 2, B, H) float32.
        """
        masks = Masks(dropout_seed)
        vectors = self.embedded(inputs, masks, self._dropout.words)
        hidden = masks.drop(vectors, self._dropout.inputs, locked=self._dropout.locked)
        ends = []
        for index, layer in enumerate(self.lstm_layers):
            kernel = masks.drop(tf.convert_to_tensor(layer.cell.recurrent_kernel), self._dropout.weights)
            hidden, *end = self._run(layer, hidden, state[index], kernel, training=dropout_seed is not None)
            hidden = masks.drop(hidden, self._dropout.outputs, locked=self._dropout.locked)
            ends.append(tf.stack(end))
        return hidden, tf.stack(ends)

    def restarted(self, state: Any, restart: Any) -> Any:
        """The state with zeros in the columns that restart, (B,) bool."""
        return state * tf.cast(~restart, tf.float32)[None, None, :, None]

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        named = {}
        for index, layer in enumerate(self.lstm_layers):
            named[f"lstm.{index}.kernel"] = layer.cell.kernel
            named[f"lstm.{index}.recurrent_kernel"] = layer.cell.recurrent_kernel
            named[f"lstm.{index}.bias"] = layer.cell.bias
        return named

    def _run(
        self, layer: LSTM, inputs: Any, state: Any, recurrent_kernel: Any, *, training: bool
    ) -> tuple[Any, ...]:
        """Outputs (T, B, H), last output and last cell (B, H) of one layer."""
        # keras.layers.LSTM has no way to drop entries of its recurrent kernel that leaves it cuDNN's.
        if self._recurrence == "scan" or (training and self._dropout.weights):
            compiled = training and self._recurrence == "scan"
            return layer.scan(inputs, state[0], state[1], recurrent_kernel=recurrent_kernel, compiled=compiled)
        dtype = layer.compute_dtype
        start = [tf.cast(state[0], dtype), tf.cast(state[1], dtype)]
        outputs, hidden, cell = layer(tf.cast(tf.transpose(inputs, (1, 0, 2)), dtype), initial_state=start)
        return tuple(tf.cast(part, tf.float32) for part in (tf.transpose(outputs, (1, 0, 2)), hidden, cell))
