"""The training loop: truncated back-propagation through time, an epoch after another."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import TYPE_CHECKING

import tensorflow as tf

from lmctl.corpus.batches import TrainingBatches, carried_segments, sentence_segments
from lmctl.errors import DivergenceError, LmctlError
from lmctl.networks.lstm import Dropout, LSTMNetwork
from lmctl.store.bundle import LSTMSizes
from lmctl.training.devices import use_device
from lmctl.training.events import EpochDone, StepDone, TrainingStarted, ValidationTerms, ignore_event
from lmctl.training.optimizers import AveragedWeights, Optimizer
from lmctl.training.schedule import Schedule
from lmctl.training.steps import Steps
from lmctl.training.time_limit import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.batches import Segment
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.devices import Device
    from lmctl.training.events import OnEvent

logger = logging.getLogger(__name__)

# Segments of the validation text that are timed to know what all of it takes.
TIMED_SEGMENTS = 10


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training leaves: the best weights and how they came about.

    Attributes:
        planned_steps: what a time limit was turned into; None where there was none, or where it was long enough.
    """

    sizes: LSTMSizes
    weights: dict[str, NDArray[np.float32]]
    history: list[EpochDone]
    best_epoch: int
    steps: int
    planned_steps: int | None
    tokens: int
    parameters: int
    device: str
    valid_cross_entropy_nats: float | None
    interrupted: bool


def train_network(
    corpus: PreparedCorpus,
    config: Config,
    *,
    deadline: float | None = None,
    on_event: OnEvent = ignore_event,
    interrupted: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train a network on a prepared corpus, as configured, on the configured device.

    Args:
        corpus: the id streams; without validation tokens there is no early stopping.
        config: fully resolved.
        deadline: when the run is to be over, in seconds of time.monotonic(); None: when training is done.
        on_event: told of every step and epoch.
        interrupted: asked after every step; once it says yes, training ends with the best so far.

    Raises:
        DivergenceError: the loss is not a number any more, or its perplexity is beyond all numbers.
        DeviceError: the configured device is not there.
        LmctlError: its memory is not enough, or the time was over before the first step.
    """
    device = use_device(config.device)
    try:
        with device.scope():
            return Trainer(corpus, config, device, deadline, on_event, interrupted).run()
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise LmctlError(
            f"out of memory on {device.description}; a smaller training.batch_size, vocabulary.size or "
            "model.hidden_units needs less"
        ) from error


class Trainer:
    """One training run, in the scope of its device."""

    def __init__(
        self,
        corpus: PreparedCorpus,
        config: Config,
        device: Device,
        deadline: float | None,
        on_event: OnEvent,
        interrupted: Callable[[], bool],
    ) -> None:
        self._corpus = corpus
        self._config = config
        self._device = device
        self._on_event = on_event
        self._interrupted = interrupted
        training = config.training
        self._batches = TrainingBatches(
            corpus.train,
            batch_size=training.batch_size,
            num_steps=training.num_steps,
            reset_probability=training.reset_probability,
            seed=training.seed,
        )
        self._sizes = LSTMSizes.of(corpus.vocabulary, config.model)
        self._network = LSTMNetwork(
            self._sizes,
            dropout=Dropout.of(config.model),
            init_scale=training.init_scale,
            seed=training.seed,
            precision=config.device.precision,
            recurrence="keras" if device.is_gpu else "scan",
        )
        variables = self._network.named_weights()
        self._parameters = sum(math.prod(variable.shape) for variable in variables.values())
        self._optimizer = Optimizer(variables, training, compiled=not device.is_gpu)
        self._average = AveragedWeights(variables, training.average_decay) if training.average_decay else None
        # Where nothing in training maps to <unk>, its probability falls without end, and would decide alone
        # which epoch is the best: then OOVs are left out of validation.
        self._scores_oov = corpus.record.train.oov > 0
        self._steps = Steps(self._network, self._optimizer, device.strategy, scores_oov=self._scores_oov)
        self._schedule = Schedule(training)
        self._steps_per_epoch = len(corpus.train) / (self._batches.batch_size * self._batches.num_steps)
        self._time_limit = None if deadline is None else TimeLimit(deadline, self._steps_per_epoch)
        self._planned_steps: int | None = training.steps
        self._history: list[EpochDone] = []
        self._best: tuple[int, float | None, dict[str, NDArray[np.float32]]] | None = None
        self._step = 0
        self._tokens = 0

    def run(self) -> TrainingResult:
        """Train to the end of the plan, of the time or of patience."""
        epochs = self._config.training.epochs
        self._on_event(
            TrainingStarted(
                preset=self._config.preset,
                device=self._device.description,
                parameters=self._parameters,
                vocabulary_size=self._sizes.vocabulary_size,
                tokens_per_epoch=len(self._corpus.train),
                epochs=epochs,
                validation=self._validation_terms(),
            )
        )
        if self._time_limit is not None and self._planned_steps is None:
            self._plan(self._time_limit)
        epoch, stopped, out_of_patience = 0, False, False
        while not (stopped or out_of_patience or self._is_done(epoch)):
            stopped = not self._train_epoch(epoch)
            if not stopped:
                out_of_patience = self._finish_epoch(epoch)
            epoch += 1
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
            planned_steps=self._planned_steps,
            tokens=self._tokens,
            parameters=self._parameters,
            device=self._device.description,
            valid_cross_entropy_nats=valid_nats,
            interrupted=stopped,
        )

    def _validation_terms(self) -> ValidationTerms | None:
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._scores_oov)

    def _is_done(self, epochs: int) -> bool:
        """Whether so many epochs and the steps so far are all there is to do."""
        if self._time_limit is not None and self._time_limit.is_over():
            if not self._step:
                raise LmctlError("the time limit was over before training began; nothing was published")
            return True
        if self._planned_steps is not None:
            return self._step >= self._planned_steps
        return epochs >= self._config.training.epochs

    def _progress(self, epoch: int) -> float:
        """How much of the planned training is done, 0 to 1."""
        if self._planned_steps is not None:
            return self._step / self._planned_steps
        return (epoch + self._epoch_tokens / len(self._corpus.train)) / self._config.training.epochs

    def _train_epoch(self, epoch: int) -> bool:
        """Every token of the stream once, or as far as the plan goes; False where training was interrupted."""
        state = self._steps.null_state(self._batches.batch_size)
        self._epoch_nats, self._epoch_tokens = 0.0, 0
        self._epoch_began = time.perf_counter()
        for segment in self._batches.segments(epoch):
            rate = self._schedule.learning_rate(self._step, self._progress(epoch))
            self._rate = rate
            total_nats, state = self._steps.train(
                segment, state, seed=self._config.training.seed, step=self._step, rate=rate
            )
            self._step += 1
            if self._average is not None:
                self._average.step_done(self._step)
            self._epoch_tokens += segment.tokens
            self._epoch_nats += total_nats
            # Saturated gates keep the loss of runaway weights finite, though far beyond what exp can hold.
            if not math.isfinite(_perplexity(self._epoch_nats / self._epoch_tokens)):
                raise DivergenceError(
                    f"training diverged: the loss is {total_nats} at epoch {epoch + 1}, step {self._step}; "
                    f"a lower training.learning_rate (now {rate:g}) or training.clip_norm may help"
                )
            self._report_step(epoch)
            if self._interrupted():
                return False
            if self._is_done(epoch):
                break
        self._tokens += self._epoch_tokens
        return True

    def _plan(self, time_limit: TimeLimit) -> None:
        """Turn the time limit into a number of steps."""
        state = self._steps.null_state(self._batches.batch_size)
        for segment in chain.from_iterable(map(self._batches.segments, count())):
            began = time.perf_counter()
            # At rate 0 a step changes no weight, and what the optimizer remembers of it is forgotten.
            _, state = self._steps.train(segment, state, seed=self._config.training.seed, step=0, rate=0.0)
            time_limit.step_took(time.perf_counter() - began)
            if time_limit.measured or time_limit.is_over() or self._interrupted():
                break
        self._optimizer.reset()
        planned = time_limit.plan(self._seconds_of_validation())
        # A limit that leaves time for all epochs changes nothing.
        if planned < self._config.training.epochs * self._steps_per_epoch:
            self._planned_steps = planned
            logger.info("the time limit leaves %d steps, %.1f epochs", planned, planned / self._steps_per_epoch)

    def _seconds_of_validation(self) -> float:
        """What a validation takes, judged by a part of it."""
        if not len(self._corpus.valid):
            return 0.0
        self._validate(TIMED_SEGMENTS)  # compiles
        began = time.perf_counter()
        tokens = self._validate(TIMED_SEGMENTS)[1]
        return (time.perf_counter() - began) * len(self._corpus.valid) / max(tokens, 1)

    def _report_step(self, epoch: int) -> None:
        seconds = time.perf_counter() - self._epoch_began
        per_epoch, epochs = len(self._corpus.train), self._config.training.epochs
        speed = self._epoch_tokens / seconds
        progress = self._progress(epoch)
        tokens = self._tokens + self._epoch_tokens
        self._on_event(
            StepDone(
                epoch=epoch + 1,
                epochs=epochs
                if self._planned_steps is None
                else math.ceil(self._planned_steps / self._steps_per_epoch),
                step=self._step,
                epoch_tokens=self._epoch_tokens,
                tokens_per_epoch=per_epoch,
                tokens_per_second=speed,
                train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
                valid_perplexity=self._history[-1].valid_perplexity if self._history else None,
                seconds_left=tokens * (1 - progress) / progress / speed,
            )
        )

    def _finish_epoch(self, epoch: int) -> bool:
        """Validate, remember the weights if they are the best; True where patience is at its end."""
        seconds = time.perf_counter() - self._epoch_began
        if self._average is not None:
            self._average.swap()
        valid_nats = self._validate()[0] if len(self._corpus.valid) else None
        if valid_nats is not None and not math.isfinite(_perplexity(valid_nats)):
            raise DivergenceError(f"training diverged: the validation loss of epoch {epoch + 1} is {valid_nats}")
        is_best, out_of_patience = self._schedule.epoch_done(valid_nats)
        if is_best:
            self._best = (epoch + 1, valid_nats, self._network.export_weights())
        if self._average is not None:
            self._average.swap()
        done = EpochDone(
            epoch=epoch + 1,
            step=self._step,
            tokens=self._tokens,
            learning_rate=self._rate,
            train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
            valid_perplexity=None if valid_nats is None else _perplexity(valid_nats),
            best=is_best,
            tokens_per_second=self._epoch_tokens / seconds,
            seconds=seconds,
        )
        self._history.append(done)
        self._on_event(done)
        return out_of_patience

    def _validate(self, most_segments: int | None = None) -> tuple[float, int]:
        """Cross-entropy of the validation text in nats a token, and of how many tokens."""
        total_nats, tokens, state, columns = 0.0, 0, None, 0
        for segment in islice(self._valid_segments(), most_segments):
            if len(segment.lengths) != columns:
                columns = len(segment.lengths)
                state = self._steps.null_state(columns)
            nats, scored, state = self._steps.validate(segment, state)
            total_nats += nats
            tokens += scored
        return total_nats / max(tokens, 1), tokens

    def _valid_segments(self) -> Iterator[Segment]:
        read = carried_segments if self._config.validation.state == "carry" else sentence_segments
        training = self._config.training
        return read(self._corpus.valid, batch_size=training.batch_size, num_steps=training.num_steps)


def _perplexity(cross_entropy_nats: float) -> float:
    """exp, or infinity where a float cannot hold it."""
    try:
        return math.exp(cross_entropy_nats)
    except OverflowError:
        return math.inf
