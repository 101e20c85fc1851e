"""The LSTM language model in Keras: word vectors, LSTM layers, softmax over all positions.

The same network in NumPy, for queries, is `families/lstm/runtime.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import msgspec
import tensorflow as tf

from lmctl.families.lstm.keras.layer import LSTM
from lmctl.layers.keras.embedding import WordVectors
from lmctl.layers.keras.softmax import Softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

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


class LSTMNetwork(keras.Model):  # type: ignore[misc]
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
        super().__init__(name="lstm_language_model", dtype="float32")
        policy = keras.DTypePolicy(precision)
        self.sizes = sizes
        self._dropout = dropout
        self._recurrence = recurrence
        seeds = iter(range(seed * 1000, seed * 1000 + 1000))

        def uniform() -> Any:
            return keras.initializers.RandomUniform(-init_scale, init_scale, seed=next(seeds))

        self.embedding = WordVectors(
            sizes.input_clusters, initializer=uniform, seed=next(seeds) + 500, name="embedding"
        )
        self.lstm_layers = []
        width = sizes.embedding_dim
        for index in range(sizes.layers):
            layer = LSTM(
                sizes.hidden_units,
                kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
                recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
                dtype=policy,
                name=f"lstm_{index}",
            )
            layer.build((None, None, width))
            self.lstm_layers.append(layer)
            width = sizes.hidden_units
        vectors = self.embedding
        if not sizes.tied:
            vectors = WordVectors(
                sizes.clusters, initializer=uniform, seed=next(seeds) + 700, name="softmax.embedding"
            )
        self.softmax = Softmax(
            vectors,
            sizes.hidden_units,
            initializer=uniform,
            dtype=policy.compute_dtype,
            scatters=recurrence == "scan",
        )
        self.built = True

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
        masks = _Masks(dropout_seed)
        vectors = self._embedded(inputs, masks)
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

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """Nats of each target, (T, B) float32, and the state at the end; see `Network.cross_entropy`."""
        hidden, state = self(inputs, state, dropout_seed)
        flat = tf.reshape(hidden, (-1, hidden.shape[-1]))
        nats = self.softmax.cross_entropy(flat, tf.reshape(targets, (-1,)))
        return tf.reshape(nats, tf.shape(targets)), state

    def log_probs(self, inputs: Any, state: Any) -> Any:
        """Natural log probabilities of what follows each input, (T, B, V), without dropout."""
        hidden, _ = self(inputs, state)
        flat = self.softmax(tf.reshape(hidden, (-1, self.sizes.hidden_units)))
        return tf.reshape(flat, (*inputs.shape, self.sizes.vocabulary_size))

    def export_weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights by the names and shapes of `runtime.lstm.weight_shapes`."""
        return {name: variable.numpy() for name, variable in self.named_weights().items()}

    def import_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Take weights that `export_weights` gave."""
        for name, variable in self.named_weights().items():
            variable.assign(weights[name])

    def named_weights(self) -> dict[str, Any]:
        """The tf.Variables by the names they have in a bundle."""
        named = self.embedding.named_weights() | self.softmax.named_weights()
        if not self.sizes.tied:
            named |= self.softmax.vectors.named_weights()
        for index, layer in enumerate(self.lstm_layers):
            named[f"lstm.{index}.kernel"] = layer.cell.kernel
            named[f"lstm.{index}.recurrent_kernel"] = layer.cell.recurrent_kernel
            named[f"lstm.{index}.bias"] = layer.cell.bias
        return {name: variable.value for name, variable in sorted(named.items())}

    def _embedded(self, inputs: Any, masks: _Masks) -> Any:
        """Word vectors (T, B, E) of token ids (T, B)."""
        token_ids = tf.reshape(inputs, (-1,))
        vectors = self.embedding(token_ids)
        if self._dropout.words:
            kept = masks.draw((self.sizes.vocabulary_size, 1), self._dropout.words)
            vectors = vectors if kept is None else vectors * tf.gather(kept, token_ids)
        shape = [known or there for known, there in zip(inputs.shape, tf.unstack(tf.shape(inputs)), strict=True)]
        return tf.reshape(vectors, (*shape, self.sizes.embedding_dim))

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


class _Masks:
    """Draws the masks of one step, each from the step's seed and its place in the order of drawing."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._place = 0

    def drop(self, values: Any, share: float, *, locked: bool = False) -> Any:
        """Values with a share of them at zero, the others scaled up; `locked`: the same along the first axis."""
        shape = tf.shape(values)
        if locked:
            shape = tf.concat([[1], shape[1:]], axis=0)
        mask = self.draw(shape, share)
        return values if mask is None else values * mask

    def draw(self, shape: Any, share: float) -> Any:
        """Zero for a share of the places, else what makes up for them; None if nothing is dropped."""
        place, self._place = self._place, self._place + 1
        if self._seed is None or not share:
            return None
        draws = tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(self._seed, place))
        return tf.cast(draws >= share, tf.float32) / (1.0 - share)
