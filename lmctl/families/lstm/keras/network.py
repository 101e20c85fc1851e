"""The LSTM language model in Keras: embedding, LSTM layers, softmax.

`families/lstm/runtime.py` is the same network in NumPy, for queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.lstm import LSTM
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork

if TYPE_CHECKING:
    from lmctl.families.lstm.config import LSTMConfig
    from lmctl.families.lstm.sizes import LSTMSizes


class Dropout(msgspec.Struct, frozen=True, kw_only=True):
    """Dropout rates in training, 0 to 1.

    Attributes:
        words: rate for words of the vocabulary. The vector of a dropped word is zero in a whole segment (Gal &
            Ghahramani 2016, arXiv:1512.05287).
        inputs: rate for elements of the embedded inputs.
        outputs: rate for elements of the output of every layer.
        weights: rate for entries of the recurrent kernels (Merity, Keskar & Socher 2018, arXiv:1708.02182).
        locked: whether `inputs` and `outputs` drop the same elements at every step of a segment (Gal &
            Ghahramani); else different ones at every step (Zaremba, Sutskever & Vinyals 2014, arXiv:1409.2329).
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    weights: float = 0.0
    locked: bool = True

    @classmethod
    def of(cls, model: LSTMConfig) -> Dropout:
        """The dropout rates of a configuration."""
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
        dropout: dropout rates in training. The masks follow from the seed that each call gets.
        init_scale: word vectors are drawn uniformly from [-init_scale, init_scale].
        seed: all initial weights follow from it.
        precision: "float32" or "mixed_bfloat16". With the latter, the recurrence "scan" rounds the factors of the
            large products to bfloat16, and "keras" computes the whole recurrence in it. Weights and losses are
            float32.
        recurrence: "scan" (lmctl's own loop) or "keras" (keras.layers.LSTM, which uses cuDNN on a GPU).

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
            self.lstm_layers.append(LSTM.initialized(f"lstm_{index}", width, sizes.hidden_units, initial, policy))
            width = sizes.hidden_units
        self.add_softmax(initial, dtype=policy.compute_dtype, scatters=recurrence == "scan")

    def null_state(self, batch: int) -> Any:
        """See `Network.null_state`: output and cell of every layer are zero, (L, 2, B, H) float32."""
        return tf.zeros((self.sizes.layers, 2, batch, self.sizes.hidden_units))

    def call(self, inputs: Any, state: Any, dropout_seed: Any = None) -> tuple[Any, Any]:
        """Compute the hidden vector after every input, and the state after the last one.

        Args:
            inputs: token ids, (T, B) int32.
            state: (L, 2, B, H).
            dropout_seed: two integers from which all dropout masks follow; None: no dropout.

        Returns:
            Hidden vectors, (T, B, H) float32, and the state, (L, 2, B, H) float32.
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
        """See `Network.restarted`."""
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
        """Outputs (T, B, H), last output and last cell (B, H) each, of one layer."""
        # keras.layers.LSTM cannot use cuDNN with dropout of entries of the recurrent kernel.
        if self._recurrence == "scan" or (training and self._dropout.weights):
            compiled = training and self._recurrence == "scan"
            return layer.scan(inputs, state[0], state[1], recurrent_kernel=recurrent_kernel, compiled=compiled)
        return layer.call_time_first(inputs, state[0], state[1])
