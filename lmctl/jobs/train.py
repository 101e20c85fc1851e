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
from lmctl.errors import InterruptedRunError, LmctlError, LockedError, QualityGateError, UsageError
from lmctl.jobs.bundling import bundle_result, verify_answers
from lmctl.jobs.disk_space import check_room_to_train
from lmctl.jobs.gate import compare
from lmctl.jobs.logged import log_without_a_run, logged
from lmctl.jobs.prepare import prepare
from lmctl.jobs.resuming import CHECKPOINT, ResumableRun
from lmctl.jobs.signals import listening_for_signals
from lmctl.jobs.unchanged import (
    REJECTED,
    REJECTION,
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
from lmctl.store.lock import HOLDER, locked
from lmctl.store.runs import BEGUN
from lmctl.text.sources import STDIN, check_sources
from lmctl.training.events import ignore_event
from lmctl.training.loading import load_tensorflow, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.config import Config, Settings
    from lmctl.jobs.resuming import ResumePolicy
    from lmctl.store.lock import LockPolicy
    from lmctl.training.checkpoint import Checkpoint
    from lmctl.training.events import OnEvent
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
    on_progress: Callable[[int], None] = lambda _bytes: None,
    on_event: OnEvent = ignore_event,
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
        jobs: processes for preparation; 0: as many as there are cores.
        on_progress: told of bytes read by preparation.
        on_event: told of training's steps and epochs.
        verbose: let TensorFlow say what it wants to say.

    Raises:
        LmctlError: see its children; what was published before stays.
    """
    began = time.monotonic()
    _check_inputs(sources, settings.resolve())
    place = _choose_folder(sources, model)
    folder = ModelFolder(place)
    if not force and (known := _known_outcome(folder, sources, settings)) is not None:
        return known
    require_tensorflow()
    folder = ModelFolder.create(place)
    with locked(folder.folder, lock):
        if lock == "wait":
            # Whoever held the lock may have done it; and waiting is not working.
            began = time.monotonic()
            if not force and (known := _known_outcome(folder, sources, settings)) is not None:
                return known
        with logged(folder) as summary:
            folder.sweep(KEPT_IN_WORK)
            request = describe_request(sources, settings)
            with (
                _opened_corpus(sources, folder.work, settings, jobs, on_progress) as corpus,
                listening_for_signals() as received,
            ):
                config = _resolve(settings, corpus)
                run = ResumableRun(folder.work / CHECKPOINT, corpus, config)
                checkpoint = run.resume_from(resume)
                check_room_to_train(folder.work, run.path, corpus, config)
                may_start_over = resume != "require"
                result = _train_network(
                    corpus, config, began, run, checkpoint, may_start_over, on_event, received, verbose
                )
                if result is None or received:
                    there = run.path.exists()
                    raise InterruptedRunError(
                        "interrupted; nothing was published, and the same command "
                        + (f"continues from {run.path}" if there else "starts over"),
                        received[0],
                    )
                try:
                    published = _publish(folder, corpus, config, result)
                except QualityGateError as error:
                    summary.update(error.figures)
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


def _known_outcome(folder: ModelFolder, sources: Sequence[str], settings: Settings) -> Trained | None:
    """What a run would come to, where that is known without it; None where it has to be run.

    Raises:
        QualityGateError: the gate refused what this same run made.
    """
    current = unchanged_since(folder, sources, settings)
    if current is not None:
        try:
            known = _summary(folder.folder, current, "unchanged")
        except LmctlError as error:
            logger.warning("%s; training again", error)
            return None
        _sweep_without_a_run(folder)
        log_without_a_run(folder, "unchanged", 0)
        return known
    refused = rejected_before(folder, sources, settings)
    if refused is not None:
        _sweep_without_a_run(folder)
        log_without_a_run(folder, "rejected", QualityGateError.exit_code, refused)
        raise QualityGateError(refused)
    return None


def _sweep_without_a_run(folder: ModelFolder) -> None:
    """Remove what a run left that was killed when it had done its work; one in progress holds the lock."""
    if any(folder.folder.glob(f"*{HOLDER}*")):
        with contextlib.suppress(LockedError, OSError), locked(folder.folder):
            folder.sweep(KEPT_IN_WORK)


def _publish(folder: ModelFolder, corpus: PreparedCorpus, config: Config, result: TrainingResult) -> Path:
    """Make a bundle of what was trained, ask it something, and publish it if it is good enough.

    Raises:
        QualityGateError: it is worse than what is published.
    """
    bundle = folder.work / "finished"
    remove(bundle)
    bundle_result(bundle, corpus, config, result)
    verify_answers(bundle, corpus)
    current = folder.current()
    if config.publishing.gate and current is not None:
        comparison = compare(current, bundle, corpus, config)
        if comparison is not None and not comparison.passed:
            rejected = folder.work / REJECTED
            remove(rejected)
            bundle.rename(rejected)
            raise QualityGateError(
                f"not published: {comparison}; the new model is in {rejected}, --no-gate publishes",
                comparison.figures,
            )
    return folder.publish(bundle, config.publishing.keep)


def plan(sources: Sequence[str], model: Path | None, settings: Settings, *, jobs: int = 0) -> Plan:
    """What `train` would do; the text is read, and nothing is kept.

    Raises:
        LmctlError: what `train` would raise before its first step.
    """
    _check_inputs(sources, settings.resolve())
    place = _choose_folder(sources, model)
    with (
        tempfile.TemporaryDirectory() as scratch,
        _opened_corpus(sources, Path(scratch), settings, jobs, lambda _bytes: None) as corpus,
    ):
        config = _resolve(settings, corpus)
        sizes = LSTMSizes.of(corpus.vocabulary, config.model)
        return Plan(
            model=place,
            config=config,
            sizes=sizes,
            parameters=sum(int(np.prod(shape)) for shape in weight_shapes(sizes).values()),
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
    """Where the model goes; without -o, a folder named after the first source, unless another corpus has it."""
    if model is not None:
        return model
    if sources[0] == STDIN:
        raise UsageError("a model trained on standard input needs a name: -o MODEL")
    first = Path(sources[0]).resolve()
    name = first.name.lstrip(".").split(".")[0]
    if not name or not (first.is_file() or first.is_dir()):
        raise UsageError(f"a model trained on {sources[0]} needs a name: -o MODEL")
    place = DEFAULT_FOLDER / name
    current = ModelFolder(place).current()
    if current is None:
        return place
    try:
        record = open_bundle(current).record
    except LmctlError as error:
        logger.warning("%s; training again", error)
        return place
    before = [source.name for source in record.corpus.sources if source.split == "train"]
    if before != _source_names(sources):
        raise UsageError(
            f"{place} was trained on other sources ({', '.join(before)}); "
            "name another model with -o, or this one to replace it"
        )
    return place


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
    on_progress: Callable[[int], None],
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
        yield prepare(sources, folder, settings.resolve(), jobs=jobs, on_progress=on_progress)
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
    began: float,
    run: ResumableRun,
    checkpoint: Checkpoint | None,
    may_start_over: bool,
    on_event: OnEvent,
    received: list[int],
    verbose: bool,
) -> TrainingResult | None:
    # Deferred: the configuration has been checked and the text has turned out to be there.
    load_tensorflow(verbose=verbose)
    from lmctl.training.trainer import Watch, train_network

    deadline = None
    if config.training.time_limit is not None:
        spent = checkpoint.progress.seconds if checkpoint is not None else 0.0
        deadline = began + seconds_of(config.training.time_limit) - spent
    watch = Watch(on_event, lambda: bool(received), run.save, seconds_of(config.publishing.checkpoint_every))
    return train_network(
        corpus, config, deadline=deadline, resume_from=checkpoint, may_start_over=may_start_over, watch=watch
    )
