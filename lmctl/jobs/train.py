"""From texts to a published model: prepare, train, verify, publish."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import seconds_of
from lmctl.corpus.prepared import PreparedCorpus, is_prepared, read_record
from lmctl.errors import InterruptedRunError, LmctlError, QualityGateError, UsageError
from lmctl.jobs.bundling import bundle_result, verify_answers
from lmctl.jobs.events import CheckpointSaved, GateDone, Prepared, TextRead
from lmctl.jobs.gate import compare, score_published
from lmctl.jobs.limits import publishing_seconds
from lmctl.jobs.logged import log_without_a_run, logged, watched
from lmctl.jobs.prepare import prepare
from lmctl.jobs.resuming import CHECKPOINT, ResumableRun
from lmctl.jobs.signals import listening_for_signals
from lmctl.jobs.unchanged import (
    REJECTED,
    REJECTION,
    changes_since,
    describe_request,
    rejected_before,
    remember_rejection,
    remember_request,
    unchanged_since,
)
from lmctl.runtime.lstm import weight_shapes
from lmctl.store.bundle import (
    LSTMSizes,
    open_bundle,
)
from lmctl.store.generations import DEFAULT_FOLDER, ModelFolder, remove
from lmctl.store.lock import locked
from lmctl.store.runs import BEGUN
from lmctl.text.sources import STDIN, check_sources
from lmctl.training.loading import load_tensorflow, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.config import Config, Settings
    from lmctl.jobs.events import OnRunEvent
    from lmctl.jobs.gate import Standard
    from lmctl.jobs.logged import Watched
    from lmctl.jobs.resuming import ResumePolicy
    from lmctl.store.lock import LockPolicy
    from lmctl.training.checkpoint import Checkpoint
    from lmctl.training.trainer import TrainingResult

logger = logging.getLogger(__name__)

# What a run may find in the work folder and use; all else there is what a killed one left.
KEPT_IN_WORK = frozenset({CHECKPOINT, BEGUN, REJECTED, REJECTION})

# What is decided when a corpus is prepared cannot be asked for again when it is trained on.
DECIDED_BY_PREPARATION = ("text.", "vocabulary.", "validation.file", "validation.fraction")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training run would do."""

    model: Path
    config: Config
    sizes: LSTMSizes
    parameters: int
    training_tokens: int
    valid_tokens: int


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What a training run did, or, where there was nothing to do, what the one before had done."""

    outcome: Literal["published", "unchanged"]
    published: str
    model: str
    preset: str
    epochs: int
    best_epoch: int
    steps: int
    tokens: int
    vocabulary_size: int
    parameters: int
    train_perplexity: float
    valid_perplexity: float | None
    valid_includes_oov: bool | None
    valid_oov_rate: float | None
    valid_state: str | None


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
    """Train a network and publish it as the model's next generation.

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
    place = _choose_folder(sources, model)
    with watched(ModelFolder(place), sources, settings, on_event) as watch:
        _check_inputs(sources, settings.resolve())
        if model is None:
            _check_owner(place, sources)
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
    require_tensorflow()
    ModelFolder.create(place)
    with locked(place, lock):
        if lock == "wait":
            # Whoever held the lock may have done it; and waiting is not working.
            began = time.monotonic()
            if not force and (known := _known_outcome(watch, sources, settings)) is not None:
                return known
        with logged(watch) as summary:
            folder.sweep(KEPT_IN_WORK)
            request = describe_request(sources, settings)
            summary["changes"] = changes_since(folder, request)
            with (
                _opened_corpus(sources, folder.work, settings, jobs, watch.tell) as corpus,
                listening_for_signals() as received,
            ):
                config = _resolve(settings, corpus)
                watch.tell(_prepared(corpus))
                standard = score_published(folder.current(), corpus, config)
                run = ResumableRun(folder.work / CHECKPOINT, corpus, config)
                checkpoint = run.resume_from(resume)
                deadline = _deadline(began, corpus, config, standard, checkpoint)
                # A signal may have come while the published model was scored.
                result = None
                if not received:
                    result = _train_network(
                        corpus, config, deadline, run, checkpoint, watch.tell, received, verbose
                    )
                if result is None or received:
                    there = run.path.exists()
                    raise InterruptedRunError(
                        "interrupted; nothing was published, and the same command "
                        + (f"continues from {run.path}" if there else "starts over"),
                        received[0],
                    )
                try:
                    published = _publish(watch, corpus, config, result, standard)
                except QualityGateError as error:
                    # That the gate was not met must be said, though the disk be too full to remember it.
                    try:
                        if request is not None:
                            remember_rejection(folder, request, str(error))
                        run.finish()
                    except OSError as failure:
                        logger.warning("the gate's refusal could not be remembered: %s", failure)
                    raise
                summary["published"] = str(published)
                # What was published is remembered before the checkpoint that could make it again is forgotten.
                if request is not None:
                    remember_request(folder, request, published)
                run.finish()
            trained = _summary(place, published, "published")
            summary.update(msgspec.structs.asdict(trained))
    return trained


def _known_outcome(watch: Watched, sources: Sequence[str], settings: Settings) -> Trained | None:
    """What a run would come to, where that is known without it; None where it has to be run.

    Raises:
        QualityGateError: the gate refused what this same run made.
    """
    folder = watch.folder
    current = unchanged_since(folder, sources, settings)
    if current is not None:
        try:
            known = _summary(folder.folder, current, "unchanged")
        except LmctlError as error:
            logger.warning("%s; training again", error)
            return None
        log_without_a_run(watch, "unchanged", 0, summary=msgspec.structs.asdict(known))
        return known
    refused = rejected_before(folder, sources, settings)
    if refused is not None:
        log_without_a_run(watch, "rejected", QualityGateError.exit_code, refused)
        raise QualityGateError(refused)
    return None


def _prepared(corpus: PreparedCorpus) -> Prepared:
    """What there is to train on."""
    record = corpus.record
    return Prepared(
        tokens=len(corpus.train),
        vocabulary_size=record.vocabulary_size,
        oov_rate=record.train.oov_rate,
        valid_tokens=len(corpus.valid),
        valid_oov_rate=record.valid.oov_rate if len(corpus.valid) else None,
    )


def _deadline(
    began: float,
    corpus: PreparedCorpus,
    config: Config,
    standard: Standard | None,
    checkpoint: Checkpoint | None,
) -> float | None:
    """When training is to be over, for the whole run to keep its time limit, in seconds of time.monotonic().

    Raises:
        LmctlError: it would be over before it began.
    """
    if config.training.time_limit is None:
        return None
    parameters = _parameters(LSTMSizes.of(corpus.vocabulary, config.model))
    publishing = publishing_seconds(parameters, standard)
    deadline = began + seconds_of(config.training.time_limit) - publishing
    if checkpoint is not None:
        # It has something to publish, and need not train.
        return deadline - checkpoint.progress.seconds
    if deadline < time.monotonic():
        raise LmctlError(
            f"training.time_limit: {config.training.time_limit} leaves no time to train: "
            f"{time.monotonic() - began:.0f} s are gone, and publishing will take about {publishing:.0f}"
            + ("" if standard is None else ", as scoring the published model did; --no-gate does without")
        )
    return deadline


def _parameters(sizes: LSTMSizes) -> int:
    return sum(int(np.prod(shape)) for shape in weight_shapes(sizes).values())


def _publish(
    watch: Watched, corpus: PreparedCorpus, config: Config, result: TrainingResult, standard: Standard | None
) -> Path:
    """Make a bundle of what was trained, ask it something, and publish it if it is good enough.

    Raises:
        QualityGateError: it is worse than what is published.
    """
    folder = watch.folder
    bundle = folder.work / "finished"
    remove(bundle)
    bundle_result(bundle, corpus, config, result)
    verify_answers(bundle, corpus)
    comparison = None if standard is None else compare(standard, bundle, corpus, config)
    if comparison is not None:
        watch.tell(
            GateDone(
                published_bits_per_character=comparison.published,
                new_bits_per_character=comparison.new,
                tolerance=comparison.tolerance,
                passed=comparison.passed,
            )
        )
        if not comparison.passed:
            rejected = folder.work / REJECTED
            remove(rejected)
            bundle.rename(rejected)
            raise QualityGateError(
                f"not published: {comparison}; the new model is in {rejected}, --no-gate publishes"
            )
    return folder.publish(bundle, config.publishing.keep)


def plan(sources: Sequence[str], model: Path | None, settings: Settings, *, jobs: int = 0) -> Plan:
    """What `train` would do; the text is read, and nothing is kept.

    Raises:
        LmctlError: what `train` would raise before its first step.
    """
    _check_inputs(sources, settings.resolve())
    place = _choose_folder(sources, model)
    if model is None:
        _check_owner(place, sources)
    with (
        tempfile.TemporaryDirectory() as scratch,
        _opened_corpus(sources, Path(scratch), settings, jobs, lambda _event: None) as corpus,
    ):
        config = _resolve(settings, corpus)
        sizes = LSTMSizes.of(corpus.vocabulary, config.model)
        return Plan(
            model=place,
            config=config,
            sizes=sizes,
            parameters=_parameters(sizes),
            training_tokens=len(corpus.train),
            valid_tokens=len(corpus.valid),
        )


def _summary(place: Path, published: Path, outcome: Literal["published", "unchanged"]) -> Trained:
    """What a published bundle says of its training."""
    bundle = open_bundle(published)
    training, metrics = bundle.record.training, bundle.metrics()
    valid = metrics["valid"] or {}
    return Trained(
        outcome=outcome,
        published=str(published),
        model=str(place),
        preset=training.preset,
        epochs=training.epochs,
        best_epoch=training.best_epoch,
        steps=training.steps,
        tokens=training.tokens,
        vocabulary_size=bundle.record.sizes.vocabulary_size,
        parameters=training.parameters,
        train_perplexity=metrics["train"]["perplexity"],
        valid_perplexity=valid.get("perplexity"),
        valid_includes_oov=valid.get("includes_oov"),
        valid_oov_rate=valid.get("oov_rate"),
        valid_state=valid.get("state"),
    )


def _check_inputs(sources: Sequence[str], config: Config) -> None:
    """See that every input is there before anything is made."""
    if not _is_prepared(sources):
        check_sources([*sources, *filter(None, [config.validation.file])])


def _is_prepared(sources: Sequence[str]) -> bool:
    return len(sources) == 1 and is_prepared(Path(sources[0]))


def _choose_folder(sources: Sequence[str], model: Path | None) -> Path:
    """Where the model goes; without -o, a folder named after the first source."""
    if model is not None:
        return model
    if sources[0] == STDIN:
        raise UsageError("a model trained on standard input needs a name: -o MODEL")
    first = Path(sources[0]).resolve()
    name = first.name.lstrip(".").split(".")[0]
    # One that is missing has a name all the same, and is missed later.
    if not name or (first.exists() and not (first.is_file() or first.is_dir())):
        raise UsageError(f"a model trained on {sources[0]} needs a name: -o MODEL")
    return DEFAULT_FOLDER / name


def _check_owner(place: Path, sources: Sequence[str]) -> None:
    """See that a folder whose name nobody gave is not the model of another corpus."""
    current = ModelFolder(place).current()
    if current is None:
        return
    try:
        record = open_bundle(current).record
    except LmctlError as error:
        logger.warning("%s; training again", error)
        return
    before = [source.name for source in record.corpus.sources if source.split == "train"]
    if before != _source_names(sources):
        raise UsageError(
            f"{place} was trained on other sources ({', '.join(before)}); "
            "name another model with -o, or this one to replace it"
        )


def _source_names(sources: Sequence[str]) -> list[str]:
    if _is_prepared(sources):
        record = read_record(Path(sources[0]))
        return [source.name for source in record.sources if source.split == "train"]
    return [STDIN if source == STDIN else files.printable(Path(source).resolve()) for source in sources]


@contextlib.contextmanager
def _opened_corpus(
    sources: Sequence[str],
    work: Path,
    settings: Settings,
    jobs: int,
    on_event: OnRunEvent,
) -> Iterator[PreparedCorpus]:
    """The corpus to train on: a prepared folder as it is, or texts prepared for this run alone."""
    if _is_prepared(sources):
        decided = [key for key in settings.explicit if key.startswith(DECIDED_BY_PREPARATION)]
        if decided:
            raise UsageError(
                f"{decided[0]}: {sources[0]} is prepared already, and that decided it; "
                "leave it out, or prepare the text again"
            )
        yield PreparedCorpus.open(Path(sources[0]))
        return
    folder = work / "corpus"
    if folder.exists():
        shutil.rmtree(folder)
    try:
        config = settings.resolve()
        yield prepare(
            sources,
            folder,
            config,
            jobs=jobs or config.device.threads,
            on_progress=lambda read: on_event(TextRead(bytes=read)),
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _resolve(settings: Settings, corpus: PreparedCorpus) -> Config:
    """The whole configuration: the preset chosen by the size of the corpus, the text's part as it was prepared."""
    record = corpus.record
    config = settings.resolve(record.train.tokens)
    text, vocabulary, validation = (record.settings.get(name, {}) for name in ("text", "vocabulary", "validation"))
    replace = msgspec.structs.replace
    return replace(
        config,
        # What `auto` turned out to be.
        text=replace(config.text, **text | {"segmenter": record.recipe.segmenter.name}),
        vocabulary=replace(config.vocabulary, **vocabulary),
        validation=replace(config.validation, **validation | {"state": config.validation.state}),
    )


def _train_network(
    corpus: PreparedCorpus,
    config: Config,
    deadline: float | None,
    run: ResumableRun,
    checkpoint: Checkpoint | None,
    on_event: OnRunEvent,
    received: list[int],
    verbose: bool,
) -> TrainingResult | None:
    # Deferred: the configuration has been checked and the text has turned out to be there.
    load_tensorflow(verbose=verbose)
    from lmctl.training.trainer import Watch, train_network

    def save(checkpoint: Checkpoint) -> None:
        run.save(checkpoint)
        on_event(CheckpointSaved(step=checkpoint.progress.step, path=run.path))

    watch = Watch(on_event, lambda: bool(received), save, seconds_of(config.publishing.checkpoint_every))
    return train_network(corpus, config, deadline=deadline, resume_from=checkpoint, watch=watch)
