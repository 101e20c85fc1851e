"""Dynamic evaluation: a network that goes on learning from the text that it scores.

After each segment of the text has been scored, the weights take a step against the gradient of its cross-entropy
(Mikolov et al. 2010; Krause et al. 2018, arXiv:1709.07432). So words and phrases of the text become more probable
where they come again. Every token is scored before the weights know it, so the figures are those of an honest
prediction. The weights are those in memory; the bundle does not change.

A step is that of RMSprop with a fixed mean square, as in Krause et al.: the gradient of each weight is divided by
its root mean square on another text. That text is the validation text that the bundle keeps. Krause et
al. use the training text, and also pull the weights back to where they started. On WikiText-2 that did not help
(docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.network import NetworkOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.store.bundle import Bundle
    from lmctl.training.devices import Device

# Tokens that are scored before the weights change.
SEGMENT_TOKENS = 16
# Added to the root mean square of each gradient, as a share of the mean of all. Without it, weights that the other
# text hardly used would take large steps.
DAMPING = 0.25

NOT_AVAILABLE = "the weights follow one text, so only score() is available"


@dataclass(frozen=True, slots=True)
class DynamicState:
    """The state of the network in TensorFlow, and that of the unchanged model, whose features a cache compares."""

    network: Any
    unchanged: Any


class DynamicNetwork(LanguageModel[DynamicState]):
    """A network whose weights follow the text that it scores.

    It scores one text at a time, from its start to its end: `null_state` takes the weights of the bundle again.
    The weights belong to one place in the text, so the operations that go back to a state are not available.

    Args:
        model: the runtime of the bundle.
        bundle: the bundle of a network that predicts the next word.
        other_text: sentences that each end with `</s>`, (tokens,), one token or more; the mean squares are those
            of their gradients.
        rate: size of a step: a weight whose gradient is as large as usual changes by this, if it is not damped.
        device: the device; the caller has set it up.
    """

    def __init__(
        self, model: LanguageModel[Any], bundle: Bundle, other_text: IntArray, rate: float, device: Device
    ) -> None:
        self._model = model
        self.vocabulary_size = model.vocabulary_size
        self.has_features = model.has_features
        config, record = bundle.config(), bundle.record
        options = NetworkOptions(
            init_scale=1.0, seed=1, precision="float32", is_gpu=device.is_gpu, token_ids=other_text
        )
        self._weights = bundle.weights()
        corpus = record.corpus
        # In training without any <unk>, its probability was never learned.
        self._learns_oov = corpus is None or corpus.train.oov > 0
        self._device = device
        with device.scope():
            self._network = config.family.network(record.sizes, config.model, options)
            self._variables = self._network.named_weights()
            self._factors = self._measured_factors(other_text, rate)

    def null_state(self, batch: int) -> DynamicState:
        """The state without any context, for one text; the weights are those of the bundle again."""
        if batch != 1:
            raise ValueError(f"{batch} texts; the weights follow one text")
        with self._device.scope():
            self._network.import_weights(self._weights)
            return DynamicState(self._network.null_state(1), self._model.null_state(1))

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: DynamicState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, DynamicState]:
        """See `LanguageModel.score`; without ranks. Features are those of the unchanged model."""
        if ranks:
            raise NotImplementedError(NOT_AVAILABLE)
        log_probs = np.zeros(inputs.shape)
        network, unchanged, along = state.network, state.unchanged, None
        with self._device.scope():
            for there in _segments(int(lengths[0])):
                nats, network = self._follow(
                    tf.constant(inputs[there], tf.int32), tf.constant(targets[there], tf.int32), network
                )
                log_probs[there] = -nats.numpy()
        if features:
            along, unchanged = self._model.advance_with_features(unchanged, inputs, lengths)
        return Scores(log_probs, None, along), DynamicState(network, unchanged)

    def features(self, state: DynamicState) -> Float32Array:
        """The features of the unchanged model, (1, H)."""
        return self._model.features(state.unchanged)

    def advance(self, state: DynamicState, token_ids: IntArray, lengths: IntArray | None = None) -> DynamicState:
        """Not available."""
        raise NotImplementedError(NOT_AVAILABLE)

    def select_columns(self, state: DynamicState, columns: IntArray) -> DynamicState:
        """Not available."""
        raise NotImplementedError(NOT_AVAILABLE)

    def join(self, states: Sequence[DynamicState]) -> DynamicState:
        """Not available."""
        raise NotImplementedError(NOT_AVAILABLE)

    def log_probs(self, state: DynamicState) -> Float32Array:
        """Not available."""
        raise NotImplementedError(NOT_AVAILABLE)

    def _measured_factors(self, other_text: IntArray, rate: float) -> list[Any]:
        """For each variable, rate / (root mean square of its gradient on a text + damping)."""
        self._network.import_weights(self._weights)
        sums = [tf.Variable(tf.zeros(variable.shape), trainable=False) for variable in self._variables.values()]
        state, segments = self._network.null_state(1), 0
        inputs = np.append(SENTENCE_END_ID, other_text[:-1])[:, None]
        for there in _segments(len(inputs)):
            state = self._add_squares(
                tf.constant(inputs[there], tf.int32), tf.constant(other_text[there, None], tf.int32), state, sums
            )
            segments += 1
        sizes = [np.sqrt(total.numpy() / segments) for total in sums]
        usual = sum(float(size.sum(dtype=np.float64)) for size in sizes) / sum(size.size for size in sizes)
        return [tf.constant(rate / (size + DAMPING * usual), tf.float32) for size in sizes]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def _add_squares(self, inputs: Any, targets: Any, state: Any, sums: Sequence[Any]) -> Any:
        _, gradients, state = self._gradients(inputs, targets, state)
        for total, gradient in zip(sums, gradients, strict=True):
            total.assign_add(gradient * gradient)
        return state

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def _follow(self, inputs: Any, targets: Any, state: Any) -> tuple[Any, Any]:
        """Score a segment, then change the weights: nats, (T, 1), and the state after the segment."""
        nats, gradients, state = self._gradients(inputs, targets, state)
        for variable, gradient, factor in zip(self._variables.values(), gradients, self._factors, strict=True):
            variable.assign_sub(factor * gradient)
        return nats, state

    def _gradients(self, inputs: Any, targets: Any, state: Any) -> tuple[Any, list[Any], Any]:
        variables = list(self._variables.values())
        with tf.GradientTape() as tape:
            nats, state = self._network.cross_entropy(inputs, targets, state, None)
            counted = nats if self._learns_oov else nats * tf.cast(targets != UNKNOWN_ID, tf.float32)
            # A shorter segment at the end of a piece of text changes the weights less.
            loss = tf.reduce_sum(counted) / SEGMENT_TOKENS
        # The encoder of a variational autoencoder scores nothing, so its gradient is zero.
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(loss, variables, unconnected_gradients=zero)
        return nats, [tf.convert_to_tensor(gradient) for gradient in found], state


def _segments(tokens: int) -> Iterator[slice]:
    """Cut a text into segments of `SEGMENT_TOKENS`, and its rest into powers of two.

    Each length is compiled once.
    """
    start, size = 0, SEGMENT_TOKENS
    while start < tokens:
        while size > tokens - start:
            size //= 2
        yield slice(start, start + size)
        start += size
