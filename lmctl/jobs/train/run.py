"""From texts to a published model: known? -> lock -> prepare -> fit -> compare -> publish -> remember."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

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
    from collections.abc import Sequence

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
    """What a training run would do.

    Attributes:
        parameters: of the network; None if the model is estimated, which alone tells its number.
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
) -> Trained:
    """Make a model of texts, and publish it as the next generation.

    Until the last moment nothing that was published before is touched.

    Args:
        sources: texts, or one prepared folder.
        model: the model's folder; None: models/<name of the first source>.
        settings: what the user set.
        policies: how the run goes about it.
        on_event: told of all that happens, from the run's start to its end.

    Raises:
        LmctlError: see its children; what was published before stays.
    """
    job = TrainingJob.of(sources, model, settings, policies)
    with watched(ModelFolder(job.model), job.sources, settings, on_event) as watch:
        job.check_inputs()
        began = time.monotonic()
        if (known := earlier_result(watch, job)) is not None:
            return known
        job.check_requirements()
        ModelFolder.create(job.model)
        with locked(job.model, policies.lock):
            if policies.lock == "wait":
                # Another run may have done the work meanwhile; and waiting is no part of a time limit.
                began = time.monotonic()
                if (known := earlier_result(watch, job)) is not None:
                    return known
            with watch.folder.working(), logged(watch) as summary:
                repair(watch.folder)
                trained = recovered_result(watch.folder, job) or _train(watch, job, began, summary)
                summary.update(msgspec.structs.asdict(trained))
                return trained


def _train(watch: Watched, job: TrainingJob, began: float, summary: dict[str, Any]) -> Trained:
    """Prepare, fit, compare, publish and remember; the caller holds the lock.

    Args:
        watch: the run.
        job: what it is to do.
        began: when it did, in seconds of time.monotonic().
        summary: what the run's line in runs.jsonl says, filled in as it becomes known.
    """
    folder = watch.folder
    request = describe_request(job.sources, job.settings)
    summary["changes"] = changes_since(folder, request)
    with opened_inputs(job, folder, watch.tell) as inputs, listening_for_signals() as signals:
        corpus, config = inputs.corpus, inputs.config
        if not job.policies.force:
            check_size(folder.current(), corpus, config)
        is_made_again = unchanged_generation(folder, job.sources, job.settings) is not None
        standard = score_published(folder.current(), corpus, config, is_made_again)
        fit = _choose_fit(watch, inputs, job.policies, signals, began)
        bundle = fit.run(standard)
        try:
            published = publish(watch, bundle, corpus, config, standard, request)
        except QualityGateError as error:
            summary.update(error.figures)
            _save_refusal(folder, request, fit, str(error))
            raise
        summary["published"] = str(published)
        # What was published is remembered before the checkpoint that could make it again is forgotten.
        if request is not None:
            save_request(folder, request, published)
            journal.end(folder)
        fit.finish()
    return summarize(job.model, published, "published")


def _choose_fit(watch: Watched, inputs: Inputs, policies: Policies, signals: Signals, began: float) -> Fit:
    """The way in which a model of the family that is asked for comes about."""
    if inputs.config.family.trains_network:
        return NetworkFit(watch, inputs, policies, signals, began)
    return EstimationFit(watch, inputs, signals)


def _save_refusal(folder: ModelFolder, request: Request | None, fit: Fit, why: str) -> None:
    """Record the gate's refusal; a disk that is too full for it must not hide the refusal itself."""
    try:
        if request is not None:
            save_rejection(folder, request, why)
        fit.finish()
    except OSError as failure:
        logger.warning("the gate's refusal could not be remembered: %s", failure)


def plan(sources: Sequence[str], model: Path | None, settings: Settings, *, jobs: int = 0) -> Plan:
    """What `train` would do; the text is read, and nothing is kept.

    Raises:
        LmctlError: what `train` would raise before its first step.
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
