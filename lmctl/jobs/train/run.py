"""From texts to a published model: prepare, make, compare, publish."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl.errors import LmctlError, LockedError, QualityGateError, UsageError
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import count_parameters
from lmctl.jobs.train.gate import score_published
from lmctl.jobs.train.initial_weights import OldModel
from lmctl.jobs.train.inputs import (
    check_inputs,
    check_owner,
    choose_folder,
    describe_corpus,
    opened_corpus,
    resolve_config,
)
from lmctl.jobs.train.making import NetworkRun, make_ngram
from lmctl.jobs.train.overlap import without_validation
from lmctl.jobs.train.publish import generations_kept, publish, summarize
from lmctl.jobs.train.request import (
    changes_since,
    describe_request,
    rejected_before,
    remember_rejection,
    remember_request,
    settle,
    unchanged_since,
)
from lmctl.jobs.train.shrinkage import check_size
from lmctl.jobs.train.signals import listening_for_signals
from lmctl.jobs.watching.runs import log_without_a_run, logged, watched
from lmctl.store.copies import repair
from lmctl.store.generations import ModelFolder, remove
from lmctl.store.layout import CHECKPOINT
from lmctl.store.lock import locked
from lmctl.store.verification import check_bundle
from lmctl.training.loading import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.config import Config, Settings
    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.train.request import Request
    from lmctl.jobs.train.resume import ResumePolicy
    from lmctl.jobs.watching.events import OnRunEvent
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.lock import LockPolicy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training run would do.

    Attributes:
        parameters: of the network; None where n-grams are counted, whose number only counting tells.
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
    *,
    resume: ResumePolicy = "auto",
    lock: LockPolicy = "fail",
    force: bool = False,
    jobs: int = 0,
    on_event: OnRunEvent = lambda _event: None,
    verbose: bool = False,
) -> Trained:
    """Train a network, or count n-grams, and publish it as the model's next generation.

    Until the last moment nothing that was published before is touched.

    Args:
        sources: texts, or one prepared folder.
        model: the model's folder; None: models/<name of the first source>.
        settings: what the user asked for.
        resume: what to do about a run that was cut off: "auto" continues it, or starts over where it was of
            another corpus or configuration; "require" refuses to start over; "never" starts over.
        lock: what to do where another run trains this model: "fail" at once, or "wait".
        force: train even where the texts, the settings and lmctl are those of the published generation.
        jobs: processes for preparation; 0: as many as `device.threads` says, or as there are cores.
        on_event: told of all that happens, from the run's start to its end.
        verbose: let TensorFlow say what it wants to say.

    Raises:
        LmctlError: see its children; what was published before stays.
    """
    sources = without_validation(sources, _validation_file(settings))
    place = choose_folder(sources, model)
    with watched(ModelFolder(place), sources, settings, on_event) as watch:
        check_inputs(sources, settings.resolve())
        if model is None:
            check_owner(place, sources)
        return _train(watch, sources, settings, resume, lock, force, jobs, verbose)


def _train(
    watch: Watched,
    sources: Sequence[str],
    settings: Settings,
    resume: ResumePolicy,
    lock: LockPolicy,
    force: bool,
    jobs: int,
    verbose: bool,
) -> Trained:
    """A run that is watched: its arguments are those of `train`."""
    began = time.monotonic()
    folder, place = watch.folder, watch.folder.folder
    if not force and (known := _known_outcome(watch, sources, settings)) is not None:
        return known
    asked = settings.resolve()
    if asked.model.family == "lstm":
        require_tensorflow()
    elif resume == "require":
        raise UsageError("--resume require: counting n-grams leaves no checkpoint to continue from")
    ModelFolder.create(place)
    with locked(place, lock):
        if lock == "wait":
            # Whoever held the lock may have done it; and waiting is not working.
            began = time.monotonic()
            if not force and (known := _known_outcome(watch, sources, settings)) is not None:
                return known
        with folder.working(), logged(watch) as summary:
            repair(folder)
            if (known := _settled(folder, sources, settings)) is not None and not force:
                summary.update(msgspec.structs.asdict(known))
                return known
            request = describe_request(sources, settings)
            summary["changes"] = changes_since(folder, request)
            old_model = OldModel.find(asked.training.init_from, folder)
            with (
                opened_corpus(sources, folder.making, settings, jobs, watch.tell, old_model) as corpus,
                listening_for_signals() as received,
            ):
                config = resolve_config(settings, corpus, old_model)
                watch.tell(describe_corpus(corpus))
                if not force:
                    check_size(folder.current(), corpus, config)
                is_made_again = unchanged_since(folder, sources, settings) is not None
                standard = score_published(folder.current(), corpus, config, is_made_again)
                run = None
                if config.model.family == "ngram":
                    bundle = make_ngram(watch, corpus, config, received)
                else:
                    run = NetworkRun(watch, corpus, config, old_model)
                    bundle = run.make(began, standard, resume, received, verbose=verbose)
                try:
                    published = publish(watch, bundle, corpus, config, standard, request)
                except QualityGateError as error:
                    summary.update(error.figures)
                    _remember_refusal(folder, request, run, str(error))
                    raise
                summary["published"] = str(published)
                # What was published is remembered before the checkpoint that could make it again is forgotten.
                if request is not None:
                    remember_request(folder, request, published)
                if run is not None:
                    run.finish()
            trained = summarize(place, published, "published")
            summary.update(msgspec.structs.asdict(trained))
    return trained


def _validation_file(settings: Settings) -> str | None:
    named = settings.explicit.get("validation.file")
    return None if named is None else str(named)


def _remember_refusal(folder: ModelFolder, request: Request | None, run: NetworkRun | None, why: str) -> None:
    """That the gate was not met must be said, though the disk be too full to remember it."""
    try:
        if request is not None:
            remember_rejection(folder, request, why)
        if run is not None:
            run.finish()
    except OSError as failure:
        logger.warning("the gate's refusal could not be remembered: %s", failure)


def _known_outcome(watch: Watched, sources: Sequence[str], settings: Settings) -> Trained | None:
    """What a run would come to, if that is known without it; None if it has to be run.

    Raises:
        QualityGateError: the gate refused what this same run made.
    """
    folder = watch.folder
    known = _unchanged(folder, sources, settings)
    if known is not None:
        _sweep_without_a_run(folder)
        log_without_a_run(watch, "unchanged", 0, summary=msgspec.structs.asdict(known))
        return known
    refused = rejected_before(folder, sources, settings)
    if refused is not None:
        _sweep_without_a_run(folder)
        log_without_a_run(watch, "rejected", QualityGateError.exit_code, refused)
        raise QualityGateError(refused)
    return None


def _unchanged(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> Trained | None:
    """What the current generation says of itself, where a run would only make it again."""
    current = unchanged_since(folder, sources, settings)
    if current is None:
        return None
    try:
        # What is damaged is made again, not left current because nothing else has changed.
        check_bundle(current)
        return summarize(folder.folder, current, "unchanged")
    except (LmctlError, OSError) as error:
        logger.warning("%s; training again", error)
        return None


def _settled(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> Trained | None:
    """What a run published that was killed before it could say so, if it was this same run."""
    if not settle(folder):
        return None
    # With it, the model could only be made again.
    remove(folder.work / CHECKPOINT)
    folder.prune(generations_kept(folder))
    return _unchanged(folder, sources, settings)


def _sweep_without_a_run(folder: ModelFolder) -> None:
    """Remove what a run left that was killed when it had done its work; one in progress holds the lock."""
    if not folder.is_swept():
        with contextlib.suppress(LockedError, OSError), locked(folder.folder), folder.working():
            settle(folder)


def plan(sources: Sequence[str], model: Path | None, settings: Settings, *, jobs: int = 0) -> Plan:
    """What `train` would do; the text is read, and nothing is kept.

    Raises:
        LmctlError: what `train` would raise before its first step.
    """
    sources = without_validation(sources, _validation_file(settings))
    check_inputs(sources, settings.resolve())
    place = choose_folder(sources, model)
    if model is None:
        check_owner(place, sources)
    old_model = OldModel.find(settings.resolve().training.init_from, ModelFolder(place))
    with (
        tempfile.TemporaryDirectory() as scratch,
        opened_corpus(sources, Path(scratch), settings, jobs, lambda _event: None, old_model) as corpus,
    ):
        config = resolve_config(settings, corpus, old_model)
        parameters = None
        if config.model.family == "lstm":
            parameters = count_parameters(LSTMSizes.of(corpus.vocabulary.counts, config.model))
        return Plan(
            model=place,
            config=config,
            vocabulary_size=len(corpus.vocabulary),
            parameters=parameters,
            training_tokens=len(corpus.train),
            valid_tokens=len(corpus.valid),
        )
