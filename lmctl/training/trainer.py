"""The training loop: truncated back-propagation through time around one compiled step."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from lmctl.corpus.batches import TrainingBatches, carried_segments, sentence_segments
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DivergenceError, LmctlError
from lmctl.networks.lstm import LSTMNetwork
from lmctl.store.bundle import LSTMSizes
from lmctl.training.devices import use_device
from lmctl.training.events import EpochDone, StepDone, TrainingStarted, ValidationTerms, ignore_event
from lmctl.training.optimizers import make_optimizer, summed_rows
from lmctl.training.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.batches import Segment
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.events import OnEvent


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training leaves: the best weights and how they came about."""

    sizes: LSTMSizes
    weights: dict[str, NDArray[np.float32]]
    history: list[EpochDone]
    best_epoch: int
    steps: int
    tokens: int
    parameters: int
    device: str
    valid_cross_entropy_nats: float | None
    interrupted: bool


def train_network(
    corpus: PreparedCorpus,
    config: Config,
    *,
    on_event: OnEvent = ignore_event,
    interrupted: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train a network on a prepared corpus, as configured, on the configured device.

    Args:
        corpus: the id streams; without validation tokens there is no early stopping.
        config: fully resolved.
        on_event: told of every step and epoch.
        interrupted: asked after every step; once it says yes, training ends with the best so far.

    Raises:
        DivergenceError: the loss is not a number any more, or its perplexity is beyond all numbers.
        DeviceError: the configured device is not there.
        LmctlError: its memory is not enough.
    """
    placement, description = use_device(config.device)
    try:
        with tf.device(placement):
            return _Trainer(corpus, config, description, on_event, interrupted).run()
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise LmctlError(
            f"out of memory on {description}; a smaller training.batch_size, vocabulary.size or "
            "model.hidden_units needs less"
        ) from error


class _Trainer:
    """One training run."""

    def __init__(
        self,
        corpus: PreparedCorpus,
        config: Config,
        device: str,
        on_event: OnEvent,
        interrupted: Callable[[], bool],
    ) -> None:
        self._corpus = corpus
        self._config = config
        self._device = device
        self._on_event = on_event
        self._interrupted = interrupted
        training, model = config.training, config.model
        self._batches = TrainingBatches(
            corpus.train,
            batch_size=training.batch_size,
            num_steps=training.num_steps,
            reset_probability=training.reset_probability,
            seed=training.seed,
        )
        self._sizes = LSTMSizes.of(len(corpus.vocabulary), model)
        self._network = LSTMNetwork(
            self._sizes,
            dropout=model.dropout,
            init_scale=training.init_scale,
            seed=training.seed,
            precision=config.device.precision,
        )
        self._optimizer = make_optimizer(training.optimizer, training.learning_rate)
        self._optimizer.build(self._network.trainable_variables)
        self._schedule = Schedule(training)
        # Where nothing in training maps to <unk>, its probability falls without end, and would decide alone
        # which epoch is the best: then OOVs are left out of validation.
        self._scores_oov = corpus.record.train.oov > 0
        self._history: list[EpochDone] = []
        self._best: tuple[int, float | None, dict[str, NDArray[np.float32]]] | None = None
        self._step = 0
        self._tokens = 0

    def run(self) -> TrainingResult:
        epochs = self._config.training.epochs
        self._on_event(
            TrainingStarted(
                preset=self._config.preset,
                device=self._device,
                parameters=self._network.count_params(),
                vocabulary_size=self._sizes.vocabulary_size,
                tokens_per_epoch=len(self._corpus.train),
                epochs=epochs,
                validation=self._validation_terms(),
            )
        )
        stopped = False
        for epoch in range(epochs):
            if not self._train_epoch(epoch):
                stopped = True
                break
            if self._finish_epoch(epoch):
                break
        if self._best is None:
            # Interrupted before the first epoch's end: what there is, unvalidated, is the best so far.
            self._best = (0, None, self._network.export_weights())
        best_epoch, valid_nats, weights = self._best
        return TrainingResult(
            sizes=self._sizes,
            weights=weights,
            history=self._history,
            best_epoch=best_epoch,
            steps=self._step,
            tokens=self._tokens,
            parameters=self._network.count_params(),
            device=self._device,
            valid_cross_entropy_nats=valid_nats,
            interrupted=stopped,
        )

    def _validation_terms(self) -> ValidationTerms | None:
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._scores_oov)

    def _train_epoch(self, epoch: int) -> bool:
        """Every token of the stream once; False where training was interrupted."""
        per_epoch = len(self._corpus.train)
        state = self._network.null_state(self._batches.batch_size)
        self._epoch_nats, self._epoch_tokens = 0.0, 0
        self._epoch_began = time.perf_counter()
        for segment in self._batches.segments(epoch):
            rate = self._schedule.learning_rate(epoch + self._epoch_tokens / per_epoch)
            self._optimizer.learning_rate.assign(rate)
            seed = tf.constant([self._config.training.seed, self._step], tf.int32)
            total_nats, state = self._train_step(*_tensors(segment), state, seed)
            self._step += 1
            self._epoch_tokens += segment.tokens
            self._epoch_nats += float(total_nats)
            # Saturated gates keep the loss of runaway weights finite, though far beyond what exp can hold.
            if not math.isfinite(_perplexity(self._epoch_nats / self._epoch_tokens)):
                raise DivergenceError(
                    f"training diverged: the loss is {float(total_nats)} at epoch {epoch + 1}, step {self._step}; "
                    f"a lower training.learning_rate (now {rate:g}) or training.clip_norm may help"
                )
            self._report_step(epoch)
            if self._interrupted():
                return False
        self._tokens += self._epoch_tokens
        return True

    def _report_step(self, epoch: int) -> None:
        seconds = time.perf_counter() - self._epoch_began
        per_epoch, epochs = len(self._corpus.train), self._config.training.epochs
        speed = self._epoch_tokens / seconds
        self._on_event(
            StepDone(
                epoch=epoch + 1,
                epochs=epochs,
                step=self._step,
                epoch_tokens=self._epoch_tokens,
                tokens_per_epoch=per_epoch,
                tokens_per_second=speed,
                train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
                valid_perplexity=self._history[-1].valid_perplexity if self._history else None,
                seconds_left=((epochs - epoch) * per_epoch - self._epoch_tokens) / speed,
            )
        )

    def _finish_epoch(self, epoch: int) -> bool:
        """Validate, remember the weights if they are the best; True where patience is at its end."""
        seconds = time.perf_counter() - self._epoch_began
        rate = float(self._optimizer.learning_rate.numpy())
        valid_nats = self._validate()
        if valid_nats is not None and not math.isfinite(_perplexity(valid_nats)):
            raise DivergenceError(f"training diverged: the validation loss of epoch {epoch + 1} is {valid_nats}")
        is_best, out_of_patience = self._schedule.epoch_done(valid_nats)
        if is_best:
            self._best = (epoch + 1, valid_nats, self._network.export_weights())
        done = EpochDone(
            epoch=epoch + 1,
            step=self._step,
            tokens=self._tokens,
            learning_rate=rate,
            train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
            valid_perplexity=None if valid_nats is None else _perplexity(valid_nats),
            best=is_best,
            tokens_per_second=self._epoch_tokens / seconds,
            seconds=seconds,
        )
        self._history.append(done)
        self._on_event(done)
        return out_of_patience

    def _validate(self) -> float | None:
        """Cross-entropy of the validation text in nats a token; None where there is none."""
        if not len(self._corpus.valid):
            return None
        total_nats, tokens, state = 0.0, 0, None
        for segment in self._valid_segments():
            if state is None or state.shape[2] != segment.inputs.shape[1]:
                state = self._network.null_state(segment.inputs.shape[1])
            nats, scored, state = self._valid_step(*_tensors(segment), state)
            total_nats += float(nats)
            tokens += int(scored)
        return total_nats / tokens

    def _valid_segments(self) -> Iterator[Segment]:
        read = carried_segments if self._config.validation.state == "carry" else sentence_segments
        training = self._config.training
        return read(self._corpus.valid, batch_size=training.batch_size, num_steps=training.num_steps)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _train_step(
        self, inputs: Any, targets: Any, lengths: Any, restart: Any, state: Any, seed: Any
    ) -> tuple[Any, Any]:
        """One optimizer update; returns the summed loss in nats and the state to carry on."""
        variables = self._network.trainable_variables
        with tf.GradientTape() as tape:
            nats, there, state = self._cross_entropy(inputs, targets, lengths, restart, state, seed)
            total_nats = tf.reduce_sum(nats * there)
            # Over all positions, the padded ones too: a batch that is nearly empty takes a smaller step.
            loss = total_nats / tf.cast(tf.size(targets), tf.float32)
        gradients = [summed_rows(gradient) for gradient in tape.gradient(loss, variables)]
        if self._config.training.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._config.training.clip_norm)
        self._optimizer.apply(gradients, variables)
        return total_nats, state

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _valid_step(
        self, inputs: Any, targets: Any, lengths: Any, restart: Any, state: Any
    ) -> tuple[Any, Any, Any]:
        """Summed cross-entropy in nats, of how many targets, and the state to carry on."""
        nats, there, state = self._cross_entropy(inputs, targets, lengths, restart, state, None)
        if not self._scores_oov:
            there *= tf.cast(targets != UNKNOWN_ID, tf.float32)
        return tf.reduce_sum(nats * there), tf.reduce_sum(there), state

    def _cross_entropy(
        self, inputs: Any, targets: Any, lengths: Any, restart: Any, state: Any, dropout_seed: Any
    ) -> tuple[Any, Any, Any]:
        """Nats of each target, (T, B); 1 where it is there and 0 where it is padding, (T, B); the state."""
        kept = tf.cast(~restart, tf.float32)[None, None, :, None]
        logits, state = self._network(inputs, state * kept, dropout_seed)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        there = tf.transpose(tf.sequence_mask(lengths, tf.shape(targets)[0], tf.float32))
        return nats, there, state


def _tensors(segment: Segment) -> tuple[Any, Any, Any, Any]:
    return (
        tf.constant(segment.inputs),
        tf.constant(segment.targets),
        tf.constant(segment.lengths),
        tf.constant(segment.restart),
    )


def _perplexity(cross_entropy_nats: float) -> float:
    """exp, or infinity where a float cannot hold it."""
    try:
        return math.exp(cross_entropy_nats)
    except OverflowError:
        return math.inf
