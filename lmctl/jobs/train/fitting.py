"""Fit a model to a corpus: train a network, with or without a baseline in a mixture, or estimate a model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from lmctl import families, files, progress
from lmctl.config import seconds_of
from lmctl.deadline import NEVER
from lmctl.errors import InterruptedRunError, LmctlError, OutOfTimeError
from lmctl.jobs.figures import add_figures
from lmctl.jobs.train.assisting import joined_device
from lmctl.jobs.train.baseline import compare_with_baseline
from lmctl.jobs.train.bundling import bundle_result
from lmctl.jobs.train.comparison import SCORING_SHARE
from lmctl.jobs.train.disk_space import check_room_to_train
from lmctl.jobs.train.estimating import estimate_bundle
from lmctl.jobs.train.freed_memory import give_back
from lmctl.jobs.train.resume import ResumableRun
from lmctl.jobs.train.time_budget import LONGEST_COUNTING, TimeBudget
from lmctl.jobs.train.validating import (
    figures_of,
    own_figures,
    score_valid,
    valid_figures,
    valid_gaps_figures,
)
from lmctl.jobs.watching.events import CheckpointSaved
from lmctl.store.generations import remove
from lmctl.store.layout import BASELINE, CHECKPOINT, FINISHED
from lmctl.training.events import Watch
from lmctl.training.loading import load_tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.comparison import Standard
    from lmctl.jobs.train.initial_weights import WarmStart
    from lmctl.jobs.train.inputs import Inputs
    from lmctl.jobs.train.signals import Signals
    from lmctl.jobs.train.training_job import Policies
    from lmctl.jobs.train.validating import ValidFigures, ValidScores
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.bundle import Bundle
    from lmctl.training.checkpoint import Checkpoint
    from lmctl.training.devices import Device
    from lmctl.training.result import TrainingResult
    from lmctl.training.time_limit import TimeLimit

logger = logging.getLogger(__name__)


class Fit(Protocol):
    """Fits one model to a corpus."""

    def run(self, standard: Standard | None) -> Path:
        """Fit the model and write its bundle.

        Args:
            standard: figures of the current generation, which the new model will be compared with; None: there is
                no gate.

        Returns:
            The folder of the finished bundle.

        Raises:
            InterruptedRunError: a signal has arrived.
        """
        ...

    def finish(self) -> None:
        """Remove the checkpoint, if there is one, at the end of the run."""
        ...


class EstimationFit:
    """Estimates a model without checkpoints: an interrupted run starts over.

    Args:
        watch: the run.
        inputs: corpus and configuration.
        policies: options of the run.
        signals: the signals that end the run.
    """

    def __init__(self, watch: Watched, inputs: Inputs, policies: Policies, signals: Signals) -> None:
        self._watch = watch
        self._inputs = inputs
        self._policies = policies
        self._signals = signals

    def run(self, standard: Standard | None) -> Path:  # noqa: ARG002
        """See `Fit.run`."""
        corpus, config, scratch = self._inputs.corpus, self._inputs.config, self._watch.folder.scratch
        folder = scratch / FINISHED
        remove(folder)
        with self._signals.enforced("starts over"):
            bundle = estimate_bundle(
                folder, corpus, config, scratch, jobs=self._policies.jobs, scheduler=self._policies.scheduler
            )
            scores = score_valid(bundle, corpus, config)
            metrics: dict[str, Any] = {"valid": None if scores is None else valid_figures(scores, corpus, config)}
            metrics |= {"own": own_figures(bundle, corpus)}
            _add_figures(self._watch, bundle, corpus, metrics)
        return folder

    def finish(self) -> None:
        """See `Fit.finish`; there is no checkpoint."""


class NetworkFit:
    """Trains a network, and continues from the checkpoint of an interrupted run.

    Args:
        watch: the run.
        inputs: corpus, configuration, and the model to start from.
        policies: options of the run.
        signals: the signals that end the run.
        deadline: end of the run.
    """

    def __init__(
        self, watch: Watched, inputs: Inputs, policies: Policies, signals: Signals, deadline: Deadline
    ) -> None:
        self._watch = watch
        self._scratch = watch.folder.scratch
        self._corpus = inputs.corpus
        self._config = inputs.config
        self._old_model = inputs.old_model
        self._policies = policies
        self._signals = signals
        self._baseline_name = families.baseline().name
        self._clock = deadline.clock
        self._budget = TimeBudget(inputs.corpus, inputs.config, deadline)
        old_model = inputs.old_model
        self._run = ResumableRun(
            watch.folder.work / CHECKPOINT,
            inputs.corpus,
            inputs.config,
            None if old_model is None else old_model.bundle.record.sha256,
            () if old_model is None else old_model.known_sentences(inputs.corpus),
            self._scratch,
        )

    def run(self, standard: Standard | None) -> Path:
        """Train; the bundle is of the network, of the baseline, or of a mixture of both.

        See `Fit.run`. The same run can continue from its checkpoint.
        """
        budget = self._budget
        checkpoint = self._run.resume_from(self._policies.resume)
        check_room_to_train(self._watch.folder.work, self._run.path, self._corpus, self._config)
        start = None
        if self._old_model is not None:
            start = self._old_model.warm_start(self._corpus, self._config, budget.share(SCORING_SHARE))
        if start is not None:
            self._watch.tell(start.drift)
        next_time = self._run.next_time(self._policies.resume)
        device = joined_device(self._corpus, self._config, self._policies, self._signals, next_time)
        # A signal may have arrived while the current generation was scored.
        with self._signals.enforced(next_time):
            ngram = self._count_baseline()
        try:
            result = self._train(budget.training_limit(standard, checkpoint), checkpoint, start, device)
        except OutOfTimeError as error:
            if ngram is None or not self._config.training.with_ngram:
                raise
            logger.warning("%s; the baseline (family %s) is published alone", error, self._baseline_name)
            return self._ngram_alone(*ngram)
        self._signals.raise_if_received(self._run.next_time(self._policies.resume))
        if result is None and device is not None and device.link is not None:
            device.link.check_not_interrupted()
        if result is None:
            raise RuntimeError("training stopped, although no signal came")
        # What comes next needs memory of its own, for arrays in NumPy.
        give_back()
        folder = self._scratch / FINISHED
        remove(folder)
        drift = None if start is None else start.drift
        bundle = bundle_result(folder, self._corpus, self._config, result, drift)
        metrics = bundle.metrics()
        deadline = budget.scoring_deadline(standard)
        of_own = budget.seconds_for_own_figures(deadline)
        if not self._config.family.predicts_next_word:
            metrics["valid_gaps"] = valid_gaps_figures(
                bundle, self._corpus, self._config, deadline.earlier(of_own)
            )
            metrics["own"] = self._own_figures(bundle, deadline)
            _add_figures(self._watch, bundle, self._corpus, metrics, tokens=0)
            return bundle.folder
        began = self._clock()
        scores = score_valid(bundle, self._corpus, self._config, deadline.earlier(of_own))
        scored_seconds = self._clock() - began
        metrics["own"] = self._own_figures(bundle, deadline)
        metrics["valid"] = self._valid_figures(scores, result)
        if scores is not None and ngram is not None:
            members = (bundle, scores), ngram
            bundle = compare_with_baseline(
                self._watch, self._scratch, self._corpus, self._config, *members, metrics, deadline
            )
        scored_tokens = 0 if scores is None else scores.tokens
        tokens = budget.cache_tokens(scored_tokens, scored_seconds, deadline)
        _add_figures(self._watch, bundle, self._corpus, metrics, tokens=tokens, deadline=deadline)
        return bundle.folder

    def finish(self) -> None:
        """See `Fit.finish`."""
        self._run.finish()

    def _own_figures(self, bundle: Bundle, deadline: Deadline) -> dict[str, float] | None:
        """The figures that only this family has; None if there are none, or no time for them."""
        if not self._budget.allows_own_figures(deadline):
            return None
        try:
            with deadline.enforced("training.time_limit was over before the figures that only this family has"):
                return own_figures(bundle, self._corpus)
        except OutOfTimeError as error:
            logger.warning("%s", error)
            return None

    def _valid_figures(self, scores: ValidScores | None, result: TrainingResult) -> ValidFigures | None:
        """The figures of the validation text: of the finished model, or of training if that scored more of it."""
        if scores is None:
            return None
        whole = len(self._corpus.valid)
        nats, tokens = result.valid_cross_entropy_nats, result.valid_tokens
        if scores.tokens == whole:
            return valid_figures(scores, self._corpus, self._config)
        if nats is not None and tokens > scores.tokens:
            logger.warning(
                "training.time_limit leaves no time to score the network again: its figures are from the last "
                "validation of training, on %s of %s tokens",
                f"{tokens:,}",
                f"{whole:,}",
            )
            return figures_of(nats, tokens, self._corpus, self._config)
        logger.warning(
            "training.time_limit leaves no time to score all of the validation text: %s of its %s tokens are "
            "scored",
            f"{scores.tokens:,}",
            f"{whole:,}",
        )
        return valid_figures(scores, self._corpus, self._config)

    def _ngram_alone(self, ngram: Bundle, scores: ValidScores) -> Path:
        """Finish the bundle of the baseline alone, without the network."""
        metrics: dict[str, Any] = {"valid": valid_figures(scores, self._corpus, self._config)}
        _add_figures(self._watch, ngram, self._corpus, metrics, tokens=0)
        return ngram.folder

    def _count_baseline(self) -> tuple[Bundle, ValidScores] | None:
        """The baseline of the same corpus, with its scores on the validation text.

        None if it is not wanted, if there is no validation text, if the time limit leaves no time, or if it failed
        and is not part of the model.
        """
        if not self._config.training.baseline or not len(self._corpus.valid):
            return None
        if not self._budget.allows_baseline(self._scratch):
            return None
        folder = self._scratch / BASELINE
        remove(folder)
        until = self._budget.share(LONGEST_COUNTING)
        try:
            with until.enforced("training.time_limit leaves no time for it"):
                ngram = estimate_bundle(
                    folder,
                    self._corpus,
                    self._config,
                    self._scratch,
                    jobs=self._policies.jobs,
                    scheduler=self._policies.scheduler,
                )
            scores = score_valid(ngram, self._corpus, self._config, until)
        except InterruptedRunError:
            raise
        except (LmctlError, OSError) as error:
            # The baseline is only a comparison here: its failure does not stop the training of the network.
            # Without time for it, the network is published alone.
            if self._config.training.with_ngram and not isinstance(error, OutOfTimeError):
                raise
            reason = files.describe(error)
            logger.warning("no baseline (family %s) was estimated: %s", self._baseline_name, reason)
            remove(folder)
            return None
        if scores is not None and self._config.training.with_ngram:
            self._budget.baseline_bytes = sum(path.stat().st_size for path in folder.rglob("*"))
        return None if scores is None else (ngram, scores)

    def _train(
        self,
        time_limit: TimeLimit | None,
        checkpoint: Checkpoint | None,
        start: WarmStart | None,
        device: Device | None,
    ) -> TrainingResult | None:
        # Deferred: TensorFlow is loaded after the configuration has been checked and the text has been prepared.
        progress.tell("loading TensorFlow")
        load_tensorflow(verbose=self._policies.verbose)
        from lmctl.training.run import train_network

        def save(checkpoint: Checkpoint) -> None:
            self._run.save(checkpoint)
            self._watch.tell(CheckpointSaved(step=checkpoint.progress.step, path=self._run.path))

        every_seconds = seconds_of(self._config.publishing.checkpoint_every)
        return train_network(
            self._corpus,
            self._config if start is None else start.shortened(self._config),
            time_limit=time_limit,
            initial_weights=None if start is None else start.weights,
            initial_moments=None if start is None else start.moments,
            stream=None if start is None else start.reading.stream,
            resume_from=checkpoint,
            may_start_over=self._policies.resume != "require",
            device=device,
            watch=Watch(
                self._watch.tell, self._signals.received, save, every_seconds, self._policies.curve_points
            ),
        )


def _add_figures(
    watch: Watched,
    bundle: Bundle,
    corpus: PreparedCorpus,
    metrics: dict[str, Any],
    *,
    tokens: int | None = None,
    deadline: Deadline = NEVER,
) -> None:
    """Tune a cache, write all figures into the bundle, and send the event of the cache.

    Args:
        watch: the run.
        bundle: the bundle.
        corpus: the corpus.
        metrics: the figures.
        tokens: number of validation tokens that a cache is tuned on; None: as many as suffice. Without any, no
            cache is tuned.
        deadline: tuning is given up then.
    """
    tuned = add_figures(
        bundle, metrics, corpus.valid[:tokens], includes_oov=corpus.record.train.oov > 0, deadline=deadline
    )
    if tuned is not None:
        watch.tell(tuned)
