"""The variational autoencoder in Keras (Bowman et al. 2016, arXiv:1511.06349).

Training samples a code for each sentence from the encoder, and the loss is the negative evidence lower bound.
Validation computes the exact loss of the finite mixture that answers queries; `families/vae/runtime.py` is the
same mixture in NumPy.

Axes: T time, B batch, K codes, Z elements of a code, E embedding, H hidden units, L layers of the decoder.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import msgspec
import tensorflow as tf

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.vae.codes import CENTER, LOG_DEVIATION, prior_codes
from lmctl.families.vae.keras.evidence import annealing_weight, divergence, normal_nats, penalty
from lmctl.layers.keras.initial_weights import InitialWeights
from lmctl.layers.keras.lstm import LSTM
from lmctl.layers.keras.masks import Masks
from lmctl.layers.keras.network import WordNetwork

if TYPE_CHECKING:
    from lmctl.families.vae.config import VAEConfig
    from lmctl.families.vae.sizes import VAESizes

# Weight of the nats that train the center and the deviation of the codes. It keeps their gradients too small to
# matter where the gradients of all weights are clipped together; Adam's steps do not depend on it.
PLACING_WEIGHT = 0.01


class Regularization(msgspec.Struct, frozen=True, kw_only=True):
    """Dropout rates in training, 0 to 1, and the weight of the divergence.

    Attributes:
        words: rate for words of the vocabulary that the decoder reads.
        inputs: rate for elements of the embedded inputs of the decoder, the same at every step of a segment.
        outputs: rate for elements of the output of every decoder layer, the same at every step of a segment.
        weights: rate for entries of the decoder's recurrent kernels.
        free_bits: see `evidence.penalty`.
        annealing_steps: see `evidence.annealing_weight`.
    """

    words: float = 0.0
    inputs: float = 0.0
    outputs: float = 0.0
    weights: float = 0.0
    free_bits: float = 0.0
    annealing_steps: int = 0

    @classmethod
    def of(cls, model: VAEConfig) -> Regularization:
        """The values of a configuration."""
        return cls(
            words=model.word_dropout,
            inputs=model.input_dropout,
            outputs=model.dropout,
            weights=model.weight_dropout,
            free_bits=model.free_bits,
            annealing_steps=model.annealing_steps,
        )


class MixtureState(NamedTuple):
    """The state of the finite mixture.

    Attributes:
        hidden: output of every layer of the decoder under each code, (B, K, L, H).
        cell: cell of every layer, (B, K, L, H).
        log_weights: natural log of the posterior weight of each code, (B, K).
    """

    hidden: Any
    cell: Any
    log_weights: Any


class VAENetwork(WordNetwork):
    """An encoder, codes, and a decoder that carries its state from one segment to the next.

    Args:
        sizes: the dimensions.
        regularization: dropout rates, and the weight of the divergence.
        init_scale: word vectors are drawn uniformly from [-init_scale, init_scale].
        seed: all initial weights follow from it.
        precision: "float32" or "mixed_bfloat16".
        recurrence: "scan" (lmctl's own loop) or "keras" (keras.layers.LSTM, which uses cuDNN on a GPU).

    Attributes:
        batch_axis: the axis of B in the tensors of a `MixtureState`.
    """

    batch_axis = 0

    def __init__(
        self,
        sizes: VAESizes,
        *,
        regularization: Regularization,
        init_scale: float,
        seed: int,
        precision: str = "float32",
        recurrence: str = "scan",
    ) -> None:
        initial = InitialWeights(seed, init_scale)
        super().__init__(sizes.word_layers, initial, name="variational_autoencoder")
        policy = keras.DTypePolicy(precision)
        self.sizes = sizes
        self._regularization = regularization
        self._recurrence = recurrence
        self._points = tf.constant(prior_codes(sizes.codes, sizes.code_dim))
        self.center, self.log_deviation = (
            self.add_weight(shape=(sizes.code_dim,), initializer="zeros", name=name)
            for name in ("code_center", "code_log_deviation")
        )
        self.decoder_layers = []
        width = sizes.embedding_dim + sizes.code_dim
        for index in range(sizes.layers):
            layer = LSTM.initialized(f"decoder_{index}", width, sizes.hidden_units, initial, policy)
            self.decoder_layers.append(layer)
            width = sizes.hidden_units
        self.encoder = LSTM.initialized("encoder", sizes.embedding_dim, sizes.encoder_units, initial, policy)
        self.code_layer = keras.layers.Dense(
            2 * sizes.code_dim,
            kernel_initializer=keras.initializers.GlorotUniform(seed=initial.seed()),
            dtype="float32",
            name="code",
        )
        self.code_layer.build((None, sizes.encoder_units))
        self.add_softmax(initial, dtype=policy.compute_dtype, scatters=recurrence == "scan")

    def null_state(self, batch: int) -> MixtureState:
        """See `Network.null_state`: outputs and cells are zero, and all codes have the same weight."""
        sizes = self.sizes
        zeros = tf.zeros((batch, sizes.codes, sizes.layers, sizes.hidden_units))
        return MixtureState(zeros, zeros, tf.fill((batch, sizes.codes), -math.log(sizes.codes)))

    def restarted(self, state: MixtureState, restart: Any) -> MixtureState:
        """See `Network.restarted`."""
        null = self.null_state(1)
        of_codes, of_layers = restart[:, None], restart[:, None, None, None]
        return MixtureState(
            tf.where(of_layers, null.hidden, state.hidden),
            tf.where(of_layers, null.cell, state.cell),
            tf.where(of_codes, null.log_weights, state.log_weights),
        )

    def inner_weights(self) -> dict[str, Any]:
        """See `WordNetwork.inner_weights`."""
        named = {"code.kernel": self.code_layer.kernel, "code.bias": self.code_layer.bias}
        named |= {CENTER: self.center, LOG_DEVIATION: self.log_deviation}
        layers = {f"decoder.{index}": layer for index, layer in enumerate(self.decoder_layers)}
        for name, layer in (layers | {"encoder": self.encoder}).items():
            named[f"{name}.kernel"] = layer.cell.kernel
            named[f"{name}.recurrent_kernel"] = layer.cell.recurrent_kernel
            named[f"{name}.bias"] = layer.cell.bias
        return named

    def cross_entropy(
        self, inputs: Any, targets: Any, state: MixtureState, dropout_seed: Any
    ) -> tuple[Any, MixtureState]:
        """See `Network.cross_entropy`.

        Without `dropout_seed`, the nats are those of the finite mixture, exactly. With it, they are the nats of
        the targets under the sampled codes. The first position of each sentence has the sentence's divergence in
        addition, weighted by `annealing_weight` of the step. At weight 1 and without free bits, the sum over a
        sentence is the negative evidence lower bound.
        """
        if dropout_seed is None:
            return self._mixture_nats(inputs, targets, state)
        return self._bound_nats(inputs, targets, state, dropout_seed)

    def log_probs(self, inputs: Any, state: MixtureState) -> Any:
        """Natural log probabilities of all words after each input under the finite mixture, (T, B, V)."""
        scores = self._input_scores(inputs)
        found = []
        for time in range(len(inputs)):
            state = self._read(state, inputs[time], scores[time], self._log_likelihoods(state, inputs[time]))
            of_words = self.softmax(tf.reshape(state.hidden[:, :, -1], (-1, self.sizes.hidden_units)))
            of_words = tf.reshape(of_words, (*state.log_weights.shape, self.sizes.vocabulary_size))
            found.append(tf.reduce_logsumexp(state.log_weights[:, :, None] + of_words, axis=1))
        return tf.stack(found)

    def encoded(self, targets: Any) -> tuple[Any, Any, Any]:
        """The distribution of the code of each position's sentence.

        A sentence ends at the first `</s>` among the targets, or at the end of the segment. The encoder reads the
        targets from the start of the segment to the end of the sentence.

        Args:
            targets: token ids, (T, B).

        Returns:
            Mean and log variance, (T, B, Z) each, and the position in time at which the sentence ends, (T, B)
            int32.
        """
        steps = tf.shape(targets)[0]
        times = tf.range(steps)
        is_end = (targets == SENTENCE_END_ID)[None] & (times[None, :, None] >= times[:, None, None])
        # (T, T, B): the end of the sentence of a position is the first end that is not before it.
        ends = tf.reduce_min(tf.where(is_end, times[None, :, None], steps - 1), axis=1)
        vectors = self.embedded(targets, Masks(None), 0.0)
        zeros = tf.zeros((tf.shape(targets)[1], self.sizes.encoder_units))
        outputs, *_ = self._run(self.encoder, vectors, zeros, zeros)
        statistics = _at_times(self.code_layer(outputs), ends)
        mean, log_variance = tf.split(statistics, 2, axis=-1)
        return mean, log_variance, ends

    def _bound_nats(self, inputs: Any, targets: Any, state: MixtureState, seed: Any) -> tuple[Any, MixtureState]:
        """`cross_entropy` in training."""
        regularization, masks = self._regularization, Masks(seed)
        mean, log_variance, ends = self.encoded(targets)
        noise = _at_times(masks.normal(tf.shape(mean)), ends)
        codes = mean + tf.exp(0.5 * log_variance) * noise
        vectors = self.embedded(inputs, masks, regularization.words)
        vectors = masks.drop(vectors, regularization.inputs, locked=True)
        values = tf.concat([vectors, codes], axis=-1)
        hidden, cells = [], []
        for index, layer in enumerate(self.decoder_layers):
            # In training, the state is the same under all codes.
            before = state.hidden[:, 0, index], state.cell[:, 0, index]
            kernel = masks.drop(tf.convert_to_tensor(layer.cell.recurrent_kernel), regularization.weights)
            values, output, cell = self._run(layer, values, *before, kernel if regularization.weights else None)
            values = masks.drop(values, regularization.outputs, locked=True)
            hidden.append(output)
            cells.append(cell)
        nats = self.softmax.cross_entropy(
            tf.reshape(values, (-1, self.sizes.hidden_units)), tf.reshape(targets, (-1,))
        )
        nats = tf.reshape(nats, tf.shape(targets))
        starts = tf.concat([tf.ones_like(targets[:1], tf.bool), targets[:-1] == SENTENCE_END_ID], axis=0)
        weight = annealing_weight(seed[1], regularization.annealing_steps)
        of_codes = penalty(divergence(mean, log_variance), regularization.free_bits)
        nats += tf.where(starts, weight * of_codes, 0.0)
        # Center and deviation follow the codes and change nothing else: these nats have a gradient, and add 0.
        placing = PLACING_WEIGHT * normal_nats(tf.stop_gradient(mean), self.center, self.log_deviation)
        nats += tf.where(starts, placing - tf.stop_gradient(placing), 0.0)
        null = self.null_state(tf.shape(inputs)[1])
        after = MixtureState(
            null.hidden + tf.stack(hidden, axis=1)[:, None],
            null.cell + tf.stack(cells, axis=1)[:, None],
            null.log_weights,
        )
        return nats, after

    def _mixture_nats(self, inputs: Any, targets: Any, state: MixtureState) -> tuple[Any, MixtureState]:
        """`cross_entropy` in validation, step by step: the weights after a sentence depend on all its words."""
        scores = self._input_scores(inputs)
        steps = tf.shape(inputs)[0]
        nats = tf.TensorArray(tf.float32, size=steps, element_shape=targets.shape[1:])

        def step(time: Any, state: MixtureState, likelihoods: Any, nats: Any) -> Any:
            state = self._read(state, inputs[time], scores[time], likelihoods)
            likelihoods = self._log_likelihoods(state, targets[time])
            of_target = tf.reduce_logsumexp(state.log_weights + likelihoods, axis=1)
            return time + 1, state, likelihoods, nats.write(time, -of_target)

        # The last target is the first input of the next segment, which reads it.
        _, state, _, nats = tf.while_loop(
            lambda time, *_: time < steps,
            step,
            (0, state, self._log_likelihoods(state, inputs[0]), nats),
            parallel_iterations=1,
        )
        return nats.stack(), state

    def _input_scores(self, inputs: Any) -> Any:
        """The contribution of words and codes to the gates of the first layer, (T, B, K, 4H)."""
        vectors = self.embedded(inputs, Masks(None), 0.0)
        layer, width = self.decoder_layers[0], self.sizes.embedding_dim
        of_words = layer.projected(tf.pad(vectors, [(0, 0), (0, 0), (0, self.sizes.code_dim)]))
        codes = self.center + tf.exp(self.log_deviation) * self._points
        of_codes = layer.projected(tf.pad(codes, [(0, 0), (width, 0)])) - layer.cell.bias
        return of_words[:, :, None] + of_codes

    def _read(self, state: MixtureState, words: Any, scores: Any, likelihoods: Any) -> MixtureState:
        """The state after one word; see `VAELanguageModel`.

        Args:
            state: the state before the word.
            words: (B,).
            scores: `_input_scores` of the word, (B, K, 4H).
            likelihoods: natural log probability of the word under each code, (B, K).
        """
        log_weights = tf.nn.log_softmax(state.log_weights + likelihoods)
        weights = tf.exp(log_weights)[:, :, None, None]
        is_end = words == SENTENCE_END_ID
        of_layers = is_end[:, None, None, None]
        hidden, cell = (
            tf.where(of_layers, tf.reduce_sum(weights * part, axis=1, keepdims=True), part)
            for part in (state.hidden, state.cell)
        )
        log_weights = tf.where(is_end[:, None], -math.log(self.sizes.codes), log_weights)
        outputs: list[Any] = []
        cells: list[Any] = []
        units = self.sizes.hidden_units
        scores = tf.reshape(scores, (-1, 4 * units))
        for index, layer in enumerate(self.decoder_layers):
            scores = layer.projected(outputs[-1]) if index else scores
            before = (tf.reshape(part[:, :, index], (-1, units)) for part in (hidden, cell))
            output, new_cell = layer.step(scores, *before)
            outputs.append(output)
            cells.append(new_cell)
        shape = state.hidden.shape
        hidden, cell = (
            tf.ensure_shape(tf.reshape(tf.stack(parts, axis=1), (-1, *shape[1:])), shape)
            for parts in (outputs, cells)
        )
        return MixtureState(hidden, cell, tf.ensure_shape(log_weights, state.log_weights.shape))

    def _log_likelihoods(self, state: MixtureState, words: Any) -> Any:
        """Natural log probability of the next word, (B,), under each code, (B, K)."""
        hidden = tf.reshape(state.hidden[:, :, -1], (-1, self.sizes.hidden_units))
        nats = self.softmax.cross_entropy(hidden, tf.repeat(words, self.sizes.codes))
        return tf.ensure_shape(-tf.reshape(nats, (-1, self.sizes.codes)), state.log_weights.shape)

    def _run(self, layer: LSTM, inputs: Any, hidden: Any, cell: Any, kernel: Any = None) -> tuple[Any, Any, Any]:
        """Outputs (T, B, H), last output and last cell (B, H) each, of one layer in training."""
        # keras.layers.LSTM cannot use cuDNN with dropout of entries of the recurrent kernel.
        if self._recurrence == "scan" or kernel is not None:
            compiled = self._recurrence == "scan"
            return layer.scan(inputs, hidden, cell, recurrent_kernel=kernel, compiled=compiled)
        return layer.call_time_first(inputs, hidden, cell)


def _at_times(values: Any, times: Any) -> Any:
    """The values (T, B, N) of each column at some times (T, B), (T, B, N)."""
    columns = tf.broadcast_to(tf.range(tf.shape(times)[1]), tf.shape(times))
    return tf.gather_nd(values, tf.stack([times, columns], axis=-1))
