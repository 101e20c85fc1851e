"""`lmctl train`: known? -> lock -> prepare -> fit -> compare -> publish -> save the request."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl import files
from lmctl.config import seconds_of
from lmctl.deadline import Deadline
from lmctl.errors import QualityGateError
from lmctl.jobs.train import journal
from lmctl.jobs.train.earlier_result import earlier_result, recovered_result
from lmctl.jobs.train.fitting import EstimationFit, NetworkFit
from lmctl.jobs.train.gate import score_published
from lmctl.jobs.train.inputs import opened_inputs
from lmctl.jobs.train.network_size import configured_parameters
from lmctl.jobs.train.publish import publish, summarize
from lmctl.jobs.train.request import (
    changes_since,
    describe_request,
    save_rejection,
    save_request,
    unchanged_generation,
)
from lmctl.jobs.train.shrinkage import check_size
from lmctl.jobs.train.signals import listening_for_signals
from lmctl.jobs.train.training_job import Policies, TrainingJob
from lmctl.jobs.watching.events import ignore_event
from lmctl.jobs.watching.runs import logged, watched
from lmctl.store.copies import repair
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.config import Config, Settings
    from lmctl.jobs.train.fitting import Fit
    from lmctl.jobs.train.inputs import Inputs
    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.train.request import Request
    from lmctl.jobs.train.signals import Signals
    from lmctl.jobs.watching.events import OnRunEvent
    from lmctl.jobs.watching.runs import Watched

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a training run, which `lmctl train --dry-run` prints.

    Attributes:
        model: the model folder.
        config: the resolved configuration.
        vocabulary_size: number of words, `<unk>` and `</s>` included.
        parameters: number of parameters of the network; None for an estimated model, whose number is not known.
        training_tokens: number of tokens to train on.
        valid_tokens: number of tokens to validate on.
    """

    model: Path
    config: Config
    vocabulary_size: int
    parameters: int | None
    training_tokens: int
    valid_tokens: int


def train(
    sources: Sequence[str],
    model: Path | None,
    settings: Settings,
    policies: Policies = Policies(),  # noqa: B008
    on_event: OnRunEvent = ignore_event,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Train a model on texts, and publish it as the next generation.

    The current generation stays until the new one is complete.

    Args:
        sources: paths of the texts, or one prepared folder.
        model: the model folder; None: models/<name of the first source>.
        settings: the settings of the user.
        policies: options of the run.
        on_event: receives every event of the run, from its start to its end.
        clock: a monotonic clock in seconds, for `training.time_limit`.

    Returns:
        The result of the run; or the result of an earlier run with the same texts, settings and versions.

    Raises:
        LmctlError: the run failed, was refused or was interrupted (see the subclasses). The current generation
            stays.
    """
    job = TrainingJob.of(sources, model, settings, policies)
    with watched(ModelFolder(job.model), job.sources, settings, on_event) as watch:
        job.check_inputs()
        began = clock()
        if (known := earlier_result(watch, job)) is not None:
            return known
        job.check_requirements()
        ModelFolder.create(job.model)
        with locked(job.model, policies.lock):
            if policies.lock == "wait":
                # Another run may have done the work meanwhile. The time of waiting is not part of a time limit.
                began = clock()
                if (known := earlier_result(watch, job)) is not None:
                    return known
            with watch.folder.working(), logged(watch) as summary:
                repair(watch.folder)
                deadline = _deadline(job, began, clock)
                trained = recovered_result(watch.folder, job) or _train(watch, job, deadline, summary)
                summary.update(msgspec.structs.asdict(trained))
                return trained


def _deadline(job: TrainingJob, began: float, clock: Callable[[], float]) -> Deadline:
    """The end of a run that began at this time of the clock."""
    limit = job.config.training.time_limit
    return Deadline(math.inf if limit is None else began + seconds_of(limit), clock)


def _train(watch: Watched, job: TrainingJob, deadline: Deadline, summary: dict[str, Any]) -> Trained:
    """Prepare, fit, compare, publish and save the request. The caller holds the lock.

    Args:
        watch: the run.
        job: the request.
        deadline: end of the run.
        summary: fields of the run's line in runs.jsonl, which are added here.
    """
    folder = watch.folder
    request = describe_request(job.sources, job.settings)
    summary["changes"] = changes_since(folder, request)
    with (
        opened_inputs(job, folder, watch.tell, deadline=deadline) as inputs,
        listening_for_signals() as signals,
    ):
        corpus, config = inputs.corpus, inputs.config
        if not job.policies.force:
            check_size(folder.current(), corpus, config)
        is_made_again = unchanged_generation(folder, job.sources, job.settings) is not None
        standard = score_published(folder.current(), corpus, config, is_made_again, deadline)
        fit = _choose_fit(watch, inputs, job.policies, signals, deadline)
        bundle = fit.run(standard)
        try:
            published = publish(watch, bundle, corpus, config, standard, request, deadline)
        except QualityGateError as error:
            summary.update(error.figures)
            _save_refusal(folder, request, fit, str(error))
            raise
        summary["published"] = str(published)
        # The request is saved before the checkpoint is removed, which could make the same generation again.
        if request is not None:
            save_request(folder, request, published)
            journal.end(folder)
        fit.finish()
    return summarize(job.model, published, "published")


def _choose_fit(watch: Watched, inputs: Inputs, policies: Policies, signals: Signals, deadline: Deadline) -> Fit:
    """The fit for the configured family: training of a network, or estimation."""
    if inputs.config.family.trains_network:
        return NetworkFit(watch, inputs, policies, signals, deadline)
    return EstimationFit(watch, inputs, policies, signals)


def _save_refusal(folder: ModelFolder, request: Request | None, fit: Fit, why: str) -> None:
    """Save the gate's refusal. If the disk is full, a warning says so, and the refusal is still reported."""
    try:
        if request is not None:
            save_rejection(folder, request, why)
        fit.finish()
    except OSError as failure:
        logger.warning("the gate's refusal could not be saved: %s", files.describe(failure))


def plan(sources: Sequence[str], model: Path | None, settings: Settings, *, jobs: int = 0) -> Plan:
    """The plan of a run of `train`. The text is read, and nothing is written to the model folder.

    Raises:
        LmctlError: an error that `train` would raise before its first step.
    """
    job = TrainingJob.of(sources, model, settings, Policies(jobs=jobs))
    job.check_inputs()
    with (
        tempfile.TemporaryDirectory() as scratch,
        opened_inputs(job, ModelFolder(job.model), ignore_event, Path(scratch)) as inputs,
    ):
        corpus, config = inputs.corpus, inputs.config
        is_network = config.family.trains_network
        return Plan(
            model=job.model,
            config=config,
            vocabulary_size=len(corpus.vocabulary),
            parameters=configured_parameters(corpus, config) if is_network else None,
            training_tokens=len(corpus.train),
            valid_tokens=len(corpus.valid),
        )
