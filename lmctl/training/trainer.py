"""The training loop: truncated backpropagation through time, epoch by epoch."""

from __future__ import annotations

import copy
import logging
import math
import time
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from lmctl.deadline import NEVER
from lmctl.errors import DataError, DivergenceError, LmctlError
from lmctl.perplexity import perplexity_of
from lmctl.store.model_record import TrainingSummary
from lmctl.training.checkpoint import Checkpoint, Progress
from lmctl.training.curve import Curve
from lmctl.training.events import EpochDone, StepDone, TrainingStarted, Watch
from lmctl.training.plan import Plan, too_late
from lmctl.training.result import TrainingResult
from lmctl.training.schedule import Schedule
from lmctl.training.speed import Speed
from lmctl.training.time_limit import EPOCH_VALIDATION_SHARE, VALIDATION_SHARE, TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.arrays import Float32Array
    from lmctl.corpus.batches import Segment
    from lmctl.training.setup import Setup
    from lmctl.training.validation import Validated

logger = logging.getLogger(__name__)


class Trainer:
    """One training run, in the scope of its device.

    Args:
        setup: the network, its batches, its optimizer and its validation.
        watch: callbacks; None: no callbacks.
        time_limit: the time limit; None: there is none.
        resume_from: checkpoint of an interrupted run; None: train from the start.

    Attributes:
        progress: the numbers of the run, which checkpoints store.

    Raises:
        DataError: the checkpoint does not fit the network.
    """

    def __init__(
        self,
        setup: Setup,
        watch: Watch | None = None,
        time_limit: TimeLimit | None = None,
        resume_from: Checkpoint | None = None,
    ) -> None:
        self._setup = setup
        self._config = config = setup.config
        self._watch = watch or Watch()
        self.progress = Progress(planned_steps=config.training.steps, device=setup.device)
        self._fills_gaps = not config.family.predicts_next_word
        self._best_weights: dict[str, Float32Array] = {}
        self._state = self._null_state()
        self._speed = Speed()
        # On several hosts, all workers must take the same decisions at the same step.
        link = setup.link
        self._clock: Callable[[], float] = time.monotonic if link is None else link.now
        self._interrupted = self._watch.interrupted if link is None else link.interrupted
        self._saved = self._clock()
        if resume_from is not None:
            self._restore(resume_from)
        setup.validation.spread = time_limit is not None
        if self.progress.validation_tokens is not None:
            setup.validation.keep_to(self.progress.validation_tokens)
        self._schedule = Schedule(config.training, self.progress)
        self._plan = Plan(config.training, setup.batches.tokens, self.progress, time_limit)
        self._curve = Curve(setup, self._watch.curve_points, self._plan.share_done)

    def run(self) -> TrainingResult | None:
        """Train until the plan is done, the time is over or early stopping ends it; None if it was interrupted."""
        progress, plan = self.progress, self._plan
        self._watch.on_event(
            TrainingStarted(
                preset=self._config.preset,
                device=self._setup.device,
                parameters=self._setup.parameters,
                vocabulary_size=self._setup.sizes.vocabulary_size,
                tokens_per_epoch=plan.tokens_per_epoch,
                epochs=self._config.training.epochs,
                validation=self._setup.validation.terms(),
                step=progress.step,
                fills_gaps=self._fills_gaps,
            )
        )
        if plan.time_limit is not None:
            if self._setup.average is not None:
                self._setup.average.compile()
            if progress.step:
                # The plan is in the checkpoint, but the times of a validation and of the curve are not.
                plan.time_limit.curve_seconds = self._curve.seconds()
                plan.time_limit.resume(self._setup.validation.seconds())
            else:
                self._measure(plan.time_limit)
            # If training was interrupted during the measurement, the measured speed is not reliable.
            if self._interrupted():
                return None
        # An epoch that was interrupted after its last step still needs its validation.
        while progress.epoch_steps or not (self._schedule.is_out_of_patience or plan.is_done()):
            if not self._train_epoch():
                return None
            self._finish_epoch()
        if not progress.best_epoch:
            raise LmctlError("nothing was trained; nothing was published")
        return self._result()

    def _result(self) -> TrainingResult:
        progress, training = self.progress, self._config.training
        summary = TrainingSummary(
            preset=self._config.preset,
            seed=training.seed,
            epochs=len(progress.history),
            best_epoch=progress.best_epoch,
            steps=progress.step,
            planned_steps=progress.planned_steps,
            tokens=progress.tokens,
            parameters=self._setup.parameters,
            device=self._setup.device,
        )
        return TrainingResult(
            summary=summary,
            sizes=self._setup.sizes,
            weights=self._best_weights,
            moments=self._setup.optimizer.second_moments(progress.step),
            history=progress.history,
            valid_cross_entropy_nats=progress.best_nats,
            valid_tokens=progress.best_tokens,
        )

    def _null_state(self) -> Any:
        return self._setup.steps.null_state(self._setup.batches.batch_size)

    def _train_epoch(self) -> bool:
        """Train on every token once, or until the plan is done; return False if training was interrupted."""
        progress, plan = self.progress, self._plan
        self._begin_steps()
        for segment in self._setup.batches.segments(progress.epoch, progress.epoch_steps):
            if progress.epoch_steps and plan.is_done():
                break
            self._step(segment)
            self._report_step()
            plan.keep_to_limit()
            if (point := self._curve.next_point(plan, progress)) is not None:
                self._watch.on_event(point)
                self._begin_steps()
            if self._interrupted():
                self._save()
                return False
            if self._clock() - self._saved >= self._watch.save_every_seconds:
                self._save()
                self._begin_steps()
        progress.tokens += progress.epoch_tokens
        return True

    def _begin_steps(self) -> None:
        """Let the time limit measure the steps from now on."""
        if self._plan.time_limit is not None:
            self._plan.time_limit.begin(lags=self._setup.link is not None)

    def _step(self, segment: Segment) -> None:
        """One update.

        Raises:
            DivergenceError: the training perplexity is infinite or NaN.
        """
        progress = self.progress
        began = time.perf_counter()
        progress.rate = self._schedule.learning_rate(progress.step, self._plan.share_done, self._plan.steps)
        total_nats, self._state = self._setup.steps.train(
            segment, self._state, seed=self._config.training.seed, step=progress.step, rate=progress.rate
        )
        progress.step += 1
        progress.epoch_steps += 1
        if self._setup.average is not None:
            self._setup.average.step_done(progress.step)
            progress.average_updates = self._setup.average.updates
        progress.epoch_tokens += segment.tokens
        progress.epoch_nats += total_nats
        # If weights run away, saturated gates keep the loss finite, but its exponential is infinite.
        if not math.isfinite(progress.epoch_perplexity):
            raise DivergenceError(
                f"training diverged: the loss is {total_nats} at epoch {progress.epoch + 1}, step "
                f"{progress.step}; set a lower "
                f"training.learning_rate (now {progress.rate:g}) or training.clip_norm"
            )
        seconds = time.perf_counter() - began
        progress.epoch_seconds += seconds
        self._speed.step_done(segment.tokens, seconds)

    def _measure(self, time_limit: TimeLimit) -> None:
        """Measure the time of a step, and plan the number of steps that fit in the time limit."""
        state, steps, tokens = self._null_state(), 0, 0
        for segment in chain.from_iterable(map(self._setup.batches.segments, count())):
            began = time_limit.clock()
            # At learning rate 0 a step changes no weight. The optimizer's slots are reset below.
            _, state = self._setup.steps.train(segment, state, seed=self._config.training.seed, step=0, rate=0.0)
            time_limit.step_took(time_limit.clock() - began)
            tokens += segment.tokens
            steps += 1
            if time_limit.measured or time_limit.is_over() or self._interrupted():
                break
        if time_limit.is_over() and not self._interrupted():
            raise too_late(time_limit)
        self._setup.optimizer.reset()
        steps_per_epoch = self._plan.tokens_per_epoch * steps / tokens
        validation = self._setup.validation
        left, of_epoch = time_limit.left_seconds(), steps_per_epoch * time_limit.measured_step_seconds
        validation_seconds = validation.fit_to(
            min(VALIDATION_SHARE * max(left, 0.0), EPOCH_VALIDATION_SHARE * of_epoch)
        )
        # A continued run scores the same part.
        self.progress.validation_tokens = validation.part
        time_limit.curve_seconds = self._curve.seconds()
        self._plan.fit_to_limit(time_limit, steps_per_epoch, validation_seconds)

    def _report_step(self) -> None:
        progress, plan = self.progress, self._plan
        tokens = progress.tokens + progress.epoch_tokens
        share = plan.share_done
        last = progress.history[-1] if progress.history else None
        valid = {
            "valid_perplexity": None if last is None else last.valid_perplexity,
            "valid_masked_cross_entropy_nats": None if last is None else last.valid_masked_cross_entropy_nats,
        }
        self._watch.on_event(
            StepDone(
                epoch=progress.epoch + 1,
                epochs=plan.epochs,
                step=progress.step,
                tokens=tokens,
                epoch_tokens=progress.epoch_tokens,
                tokens_per_epoch=plan.tokens_per_epoch,
                tokens_per_second=self._speed.tokens_per_second,
                seconds_left=self._speed.seconds_for(tokens * (1 - share) / share),
                **self._train_figure(),
                **valid,
            )
        )

    def _train_figure(self) -> dict[str, float | None]:
        """The figure of the training text in this epoch: a perplexity, or of a network that fills gaps, nats."""
        progress = self.progress
        if self._fills_gaps:
            nats = progress.epoch_nats / progress.epoch_tokens
            return {"train_perplexity": None, "train_masked_cross_entropy_nats": nats}
        return {"train_perplexity": progress.epoch_perplexity}

    def _finish_epoch(self) -> None:
        """Validate, and keep a copy of the weights if they are the best."""
        progress, average, time_limit = self.progress, self._setup.average, self._plan.time_limit
        if average is not None:
            average.swap()
        validated = self._setup.validation.score(NEVER if time_limit is None else time_limit.validation_deadline)
        valid_nats = None if validated is None else validated.nats_per_token()
        valid_perplexity = None if valid_nats is None else perplexity_of(valid_nats)
        if valid_perplexity is not None and not math.isfinite(valid_perplexity):
            raise DivergenceError(
                f"training diverged: the validation loss of epoch {progress.epoch + 1} is {valid_nats}"
            )
        is_best = self._schedule.epoch_done(valid_nats, self._best_on_part(validated))
        if is_best:
            self._best_weights = self._setup.network.export_weights()
            if validated is not None:
                progress.best_tokens = validated.tokens
                progress.best_segments = [] if time_limit is None else validated.nats
        if average is not None:
            average.swap()
        done = EpochDone(
            epoch=progress.epoch + 1,
            step=progress.step,
            tokens=progress.tokens,
            learning_rate=progress.rate,
            best=is_best,
            tokens_per_second=progress.epoch_tokens / progress.epoch_seconds,
            seconds=progress.epoch_seconds,
            valid_perplexity=None if self._fills_gaps else valid_perplexity,
            valid_masked_cross_entropy_nats=valid_nats if self._fills_gaps else None,
            **self._train_figure(),
        )
        progress.epoch_done(done)
        self._state = self._null_state()
        self._save()
        self._watch.on_event(done)

    def _best_on_part(self, validated: Validated | None) -> float | None:
        """The best epoch's nats per token of the part that was scored in time; None: all was scored."""
        if validated is None or not validated.is_cut:
            return None
        logger.warning(
            "training.time_limit: the last validation of training was cut short: %s of its %s tokens are scored",
            f"{validated.tokens:,}",
            f"{self._setup.validation.tokens:,}",
        )
        scored = self.progress.best_segments[: len(validated.nats)]
        if len(scored) < len(validated.nats):
            # There is no best epoch yet, or the part of this epoch is larger.
            return None
        return math.fsum(scored) / max(sum(validated.counted), 1)

    def _save(self) -> None:
        """Make a checkpoint, and pass it to `watch.save`."""
        now = self._clock()
        self.progress.seconds += now - self._saved
        self._saved = now
        setup = self._setup
        weights = setup.network.export_weights()
        if setup.link is not None:
            setup.link.check_equal("the weights", weights)
        groups = {
            "weights": weights,
            "slots": setup.optimizer.export_slots(),
            "average": setup.average.export() if setup.average is not None else {},
            "best": self._best_weights,
            "state": setup.steps.export_state(self._state),
        }
        arrays = {f"{group}/{name}": array for group, named in groups.items() for name, array in named.items()}
        self._watch.save(Checkpoint(copy.deepcopy(self.progress), arrays))

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint.

        Raises:
            DataError: the arrays of the checkpoint do not fit this network.
        """
        setup = self._setup
        self.progress = copy.deepcopy(checkpoint.progress)
        self._best_weights = checkpoint.part("best")
        try:
            setup.network.import_weights(checkpoint.part("weights"))
            setup.optimizer.import_slots(checkpoint.part("slots"))
            if setup.average is not None:
                setup.average.restore(checkpoint.part("average"), self.progress.average_updates)
            self._state = setup.steps.import_state(checkpoint.part("state"), setup.batches.batch_size)
        except (KeyError, ValueError) as error:
            raise DataError(
                f"the checkpoint does not fit this network ({error}); start over with --resume never"
            ) from error
