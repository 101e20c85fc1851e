"""The training loop: truncated back-propagation through time, an epoch after another."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from lmctl import families
from lmctl.corpus.batches import TrainingBatches
from lmctl.errors import DataError, DivergenceError, LmctlError, OutOfTimeError, UsageError
from lmctl.families.family import NetworkOptions
from lmctl.training.checkpoint import Checkpoint, Progress
from lmctl.training.devices import use_device
from lmctl.training.events import EpochDone, StepDone, TrainingStarted, ignore_event
from lmctl.training.optimizers import AveragedWeights, Optimizer
from lmctl.training.schedule import Schedule
from lmctl.training.steps import Steps
from lmctl.training.time_limit import TimeLimit
from lmctl.training.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.devices import Device
    from lmctl.training.events import OnEvent

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training leaves: the best weights and how they came about.

    Attributes:
        planned_steps: `training.steps`, or what a time limit was turned into; None where epochs were the plan.
    """

    sizes: Any
    weights: dict[str, NDArray[np.float32]]
    history: list[EpochDone]
    best_epoch: int
    steps: int
    planned_steps: int | None
    tokens: int
    parameters: int
    device: str
    valid_cross_entropy_nats: float | None


@dataclass(frozen=True, slots=True)
class Watch:
    """What a training run does beside training.

    Attributes:
        on_event: told of every step and epoch.
        interrupted: asked after every step; once it says yes, training ends with a checkpoint.
        save: keeps a checkpoint: every so often, after each epoch, and when training is interrupted.
        save_every_seconds: how often.
    """

    on_event: OnEvent = ignore_event
    interrupted: Callable[[], bool] = lambda: False
    save: Callable[[Checkpoint], None] = lambda _checkpoint: None
    save_every_seconds: float = math.inf


def train_network(
    corpus: PreparedCorpus,
    config: Config,
    *,
    deadline: float | None = None,
    seconds_after: float = 0.0,
    initial_weights: Mapping[str, NDArray[np.float32]] | None = None,
    resume_from: Checkpoint | None = None,
    may_start_over: bool = True,
    watch: Watch | None = None,
) -> TrainingResult | None:
    """Train a network on a prepared corpus, as configured, on the configured device.

    Args:
        corpus: the id streams; without validation tokens there is no early stopping.
        config: fully resolved.
        deadline: when training is to be over, in seconds of time.monotonic(); None: when all is done.
        seconds_after: what is still to be done after the deadline takes, if the machine stays as fast as it is.
        initial_weights: what to start from, by the names that they have in a bundle; None: random weights.
        resume_from: where a run of the same corpus and configuration stood; the outcome is then, byte for byte,
            that of a run that was never cut off.
        may_start_over: whether to begin again where that run was on another device, whose sums differ.
        watch: what to do beside it.

    Returns:
        What training leaves; None if it was interrupted.

    Raises:
        UsageError: the run to continue was on another device, and it may not start over.
        DivergenceError: the loss is not a number any more, or its perplexity is beyond all numbers.
        DeviceError: the configured device is not there.
        OutOfTimeError: the time was over before the first step.
        LmctlError: its memory is not enough.
    """
    device = use_device(config.device)
    if resume_from is not None and resume_from.progress.device != device.description:
        before = resume_from.progress.device
        if not may_start_over:
            raise UsageError(f"--resume require: the checkpoint is of {before}, and this is {device.description}")
        logger.warning("the checkpoint is of %s, and this is %s; starting over", before, device.description)
        resume_from = None
    try:
        with device.scope():
            limit = None if deadline is None else TimeLimit(deadline, seconds_after)
            trainer = Trainer(corpus, config, device, limit, resume_from, watch or Watch(), initial_weights)
            return trainer.run()
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise LmctlError(
            f"out of memory on {device.description}; a smaller training.batch_size, vocabulary.size or network "
            "needs less"
        ) from error


class Trainer:
    """One training run, in the scope of its device."""

    def __init__(
        self,
        corpus: PreparedCorpus,
        config: Config,
        device: Device,
        time_limit: TimeLimit | None,
        resume_from: Checkpoint | None,
        watch: Watch,
        initial_weights: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self._corpus = corpus
        self._config = config
        self._device = device
        self._watch = watch
        training = config.training
        self._batches = TrainingBatches(
            corpus.train,
            batch_size=training.batch_size,
            num_steps=training.num_steps,
            reset_probability=training.reset_probability,
            seed=training.seed,
        )
        family = families.find(config.model.family)
        self._sizes = family.sizes_of(corpus.vocabulary.counts, config.model)
        options = NetworkOptions(
            init_scale=training.init_scale,
            seed=training.seed,
            precision=config.device.precision,
            is_gpu=device.is_gpu,
        )
        self._network = family.network(self._sizes, config.model, options)
        if initial_weights is not None:
            self._network.import_weights(initial_weights)
        variables = self._network.named_weights()
        self._parameters = sum(math.prod(variable.shape) for variable in variables.values())
        self._optimizer = Optimizer(variables, training, compiled=not device.is_gpu)
        self._average = AveragedWeights(variables, training.average_decay) if training.average_decay else None
        # Where nothing in training maps to <unk>, its probability falls without end, and would decide alone
        # which epoch is the best: then OOVs are left out of validation.
        scores_oov = corpus.record.train.oov > 0
        self._steps = Steps(self._network, self._optimizer, device.strategy, scores_oov=scores_oov)
        self._validation = Validation(corpus, config, self._steps)
        self._schedule = Schedule(training)
        self._steps_per_epoch = len(corpus.train) / (self._batches.batch_size * self._batches.num_steps)
        self._time_limit = time_limit
        self._planned_steps: int | None = training.steps
        self._history: list[EpochDone] = []
        self._best: tuple[int, float | None, dict[str, NDArray[np.float32]]] | None = None
        self._step, self._tokens, self._rate = 0, 0, 0.0
        self._saved, self._began, self._seconds_before = time.monotonic(), time.monotonic(), 0.0
        self._begin_epoch(0)
        if resume_from is not None:
            self._restore(resume_from)

    def run(self) -> TrainingResult | None:
        """Train to the end of the plan, of the time or of patience; None where training was interrupted."""
        epochs = self._config.training.epochs
        self._watch.on_event(
            TrainingStarted(
                preset=self._config.preset,
                device=self._device.description,
                parameters=self._parameters,
                vocabulary_size=self._sizes.vocabulary_size,
                tokens_per_epoch=len(self._corpus.train),
                epochs=epochs,
                validation=self._validation.terms(),
                step=self._step,
            )
        )
        if self._time_limit is not None:
            if self._step:
                # Planned before it was cut off; what the last validation takes is not known any more.
                self._time_limit.validation_seconds = self._validation.seconds()
            else:
                self._plan(self._time_limit)
            # Cut off while it was measured, the speed is no base for a plan.
            if self._watch.interrupted():
                return None
        # An epoch that was cut off at its last step has its validation before it.
        while self._epoch_steps or not (self._schedule.is_out_of_patience or self._is_done()):
            if not self._train_epoch():
                return None
            self._finish_epoch()
        if self._best is None:
            raise LmctlError("nothing was trained; nothing was published")
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
        )

    def _is_done(self) -> bool:
        """Whether there is no more to do."""
        if self._time_limit is not None and self._time_limit.is_over():
            if not self._step:
                raise _too_late()
            return True
        if self._planned_steps is not None:
            return self._step >= self._planned_steps
        return self._epoch >= self._config.training.epochs

    def _progress(self) -> float:
        """How much of the planned training is done, 0 to 1."""
        if self._planned_steps is not None:
            return self._step / self._planned_steps
        return (self._epoch + self._epoch_tokens / len(self._corpus.train)) / self._config.training.epochs

    def _all_steps(self) -> float:
        """How many steps training is to have, about."""
        return self._planned_steps or self._config.training.epochs * self._steps_per_epoch

    def _begin_epoch(self, epoch: int) -> None:
        """Set the sums of an epoch to zero."""
        self._epoch, self._epoch_steps = epoch, 0
        self._epoch_nats, self._epoch_tokens, self._epoch_seconds = 0.0, 0, 0.0
        self._state = self._steps.null_state(self._batches.batch_size)

    def _train_epoch(self) -> bool:
        """Every token of the stream once, or as far as the plan goes; False where training was interrupted."""
        if self._time_limit is not None:
            self._time_limit.begin()
        for segment in self._batches.segments(self._epoch, self._epoch_steps):
            if self._epoch_steps and self._is_done():
                break
            began = time.perf_counter()
            self._rate = self._schedule.learning_rate(self._step, self._progress(), self._all_steps())
            total_nats, self._state = self._steps.train(
                segment, self._state, seed=self._config.training.seed, step=self._step, rate=self._rate
            )
            self._step += 1
            self._epoch_steps += 1
            if self._average is not None:
                self._average.step_done(self._step)
            self._epoch_tokens += segment.tokens
            self._epoch_nats += total_nats
            # Saturated gates keep the loss of runaway weights finite, though far beyond what exp can hold.
            if not math.isfinite(_perplexity(self._epoch_nats / self._epoch_tokens)):
                raise DivergenceError(
                    f"training diverged: the loss is {total_nats} at epoch {self._epoch + 1}, step {self._step}; "
                    f"a lower training.learning_rate (now {self._rate:g}) or training.clip_norm may help"
                )
            self._epoch_seconds += time.perf_counter() - began
            self._report_step()
            self._keep_to_the_limit()
            if self._watch.interrupted():
                self._save()
                return False
            if time.monotonic() - self._saved >= self._watch.save_every_seconds:
                self._save()
        self._tokens += self._epoch_tokens
        return True

    def _plan(self, time_limit: TimeLimit) -> None:
        """Turn the time limit into a number of steps."""
        state, steps, tokens = self._steps.null_state(self._batches.batch_size), 0, 0
        for segment in chain.from_iterable(map(self._batches.segments, count())):
            began = time.perf_counter()
            # At rate 0 a step changes no weight, and what the optimizer remembers of it is forgotten.
            _, state = self._steps.train(segment, state, seed=self._config.training.seed, step=0, rate=0.0)
            time_limit.step_took(time.perf_counter() - began)
            tokens += segment.tokens
            steps += 1
            if time_limit.measured or time_limit.is_over() or self._watch.interrupted():
                break
        if time_limit.is_over() and not self._watch.interrupted():
            raise _too_late()
        self._optimizer.reset()
        # Restarts cut segments short, so an epoch has more steps than full segments would make.
        self._steps_per_epoch = len(self._corpus.train) * steps / tokens
        planned = time_limit.plan(self._steps_per_epoch, self._validation.seconds())
        # A limit that leaves time for all there is to do changes nothing.
        if planned < self._all_steps():
            self._planned_steps = planned
            epochs = planned / self._steps_per_epoch
            leaves = f"the time limit leaves {planned:,} step{'' if planned == 1 else 's'}, {epochs:.2g} epochs"
            if epochs >= 1:
                logger.info("%s", leaves)
            else:
                logger.warning("%s; a longer training.time_limit or a smaller preset trains more", leaves)

    def _keep_to_the_limit(self) -> None:
        """Plan fewer steps if the machine has become slower, so that the learning rate still falls to its end."""
        if self._time_limit is None:
            return
        planned = math.ceil(self._all_steps())
        possible = self._time_limit.shortened(self._step, planned, self._steps_per_epoch)
        if possible < planned:
            self._planned_steps = max(possible, self._step)
            logger.info("the machine has become slower: %d steps in place of %d", self._planned_steps, planned)

    def _report_step(self) -> None:
        per_epoch, epochs = len(self._corpus.train), self._config.training.epochs
        speed = self._epoch_tokens / self._epoch_seconds
        progress = self._progress()
        tokens = self._tokens + self._epoch_tokens
        self._watch.on_event(
            StepDone(
                epoch=self._epoch + 1,
                epochs=epochs
                if self._planned_steps is None
                else math.ceil(self._planned_steps / self._steps_per_epoch),
                step=self._step,
                tokens=tokens,
                epoch_tokens=self._epoch_tokens,
                tokens_per_epoch=per_epoch,
                tokens_per_second=speed,
                train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
                valid_perplexity=self._history[-1].valid_perplexity if self._history else None,
                seconds_left=tokens * (1 - progress) / progress / speed,
            )
        )

    def _finish_epoch(self) -> None:
        """Validate, and remember the weights if they are the best."""
        epoch = self._epoch + 1
        if self._average is not None:
            self._average.swap()
        valid_nats = self._validation.cross_entropy()
        if valid_nats is not None and not math.isfinite(_perplexity(valid_nats)):
            raise DivergenceError(f"training diverged: the validation loss of epoch {epoch} is {valid_nats}")
        is_best = self._schedule.epoch_done(valid_nats)
        if is_best:
            self._best = (epoch, valid_nats, self._network.export_weights())
        if self._average is not None:
            self._average.swap()
        done = EpochDone(
            epoch=epoch,
            step=self._step,
            tokens=self._tokens,
            learning_rate=self._rate,
            train_perplexity=_perplexity(self._epoch_nats / self._epoch_tokens),
            valid_perplexity=None if valid_nats is None else _perplexity(valid_nats),
            best=is_best,
            tokens_per_second=self._epoch_tokens / self._epoch_seconds,
            seconds=self._epoch_seconds,
        )
        self._history.append(done)
        self._begin_epoch(epoch)
        self._save()
        self._watch.on_event(done)

    def _save(self) -> None:
        """Hand all that the next step depends on to the caller's function, which keeps it."""
        self._saved = time.monotonic()
        best_epoch, best_nats, best = self._best or (0, None, {})
        decays, epochs_without_improvement = self._schedule.standing
        groups = {
            "weights": self._network.export_weights(),
            "slots": self._optimizer.export_slots(),
            "average": self._average.export() if self._average is not None else {},
            "best": best,
            "state": self._steps.export_state(self._state),
        }
        arrays = {f"{group}/{name}": array for group, named in groups.items() for name, array in named.items()}
        progress = Progress(
            epoch=self._epoch,
            epoch_steps=self._epoch_steps,
            epoch_tokens=self._epoch_tokens,
            epoch_nats=self._epoch_nats,
            epoch_seconds=self._epoch_seconds,
            step=self._step,
            tokens=self._tokens,
            planned_steps=self._planned_steps,
            rate=self._rate,
            decays=decays,
            best_nats=best_nats,
            best_epoch=best_epoch,
            epochs_without_improvement=epochs_without_improvement,
            average_updates=self._average.updates if self._average is not None else 0,
            seconds=self._seconds_before + time.monotonic() - self._began,
            device=self._device.description,
            history=list(self._history),
        )
        self._watch.save(Checkpoint(progress, arrays))

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Stand where another run stood.

        Raises:
            DataError: its arrays are not those of this network.
        """
        try:
            self._restore_arrays(checkpoint)
        except (KeyError, ValueError) as error:
            raise DataError(
                f"the checkpoint does not fit this network; --resume never starts over: {error}"
            ) from error

    def _restore_arrays(self, checkpoint: Checkpoint) -> None:
        progress = checkpoint.progress
        self._network.import_weights(checkpoint.part("weights"))
        self._optimizer.import_slots(checkpoint.part("slots"))
        if self._average is not None:
            self._average.restore(checkpoint.part("average"), progress.average_updates)
        self._schedule.restore(progress.decays, progress.best_nats, progress.epochs_without_improvement)
        if progress.best_epoch:
            self._best = (progress.best_epoch, progress.best_nats, checkpoint.part("best"))
        self._history = list(progress.history)
        self._step, self._tokens, self._rate = progress.step, progress.tokens, progress.rate
        self._planned_steps, self._seconds_before = progress.planned_steps, progress.seconds
        self._epoch, self._epoch_steps = progress.epoch, progress.epoch_steps
        self._epoch_nats, self._epoch_tokens = progress.epoch_nats, progress.epoch_tokens
        self._epoch_seconds = progress.epoch_seconds
        self._state = self._steps.import_state(checkpoint.part("state"), self._batches.batch_size)


def _perplexity(cross_entropy_nats: float) -> float:
    """exp, or infinity if a float cannot hold it."""
    try:
        return math.exp(cross_entropy_nats)
    except OverflowError:
        return math.inf


def _too_late() -> OutOfTimeError:
    return OutOfTimeError(
        "the time limit was over before training began; nothing was published; "
        "a longer training.time_limit or a smaller preset leaves time to train"
    )
