"""The inputs of a run: the model folder, the corpus, and the configuration that depends on the corpus."""

from __future__ import annotations

import contextlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl.config import with_segmenter
from lmctl.corpus.prepared import PreparedCorpus, is_prepared, read_record
from lmctl.deadline import NEVER
from lmctl.errors import LmctlError, UsageError, listed
from lmctl.jobs.prepare import files_named, prepare
from lmctl.jobs.train.initial_weights import OldModel, old_model_file
from lmctl.jobs.watching.events import Prepared, TextRead
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.naming import DEFAULT_FOLDER
from lmctl.text.addresses import file_name, local_path
from lmctl.text.sources import STDIN, check_sources, recorded_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.config import Config, Settings
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.training_job import TrainingJob
    from lmctl.jobs.watching.events import OnRunEvent

logger = logging.getLogger(__name__)

# Keys that preparation has applied. They cannot be set again for training on a prepared folder.
DECIDED_BY_PREPARATION = (
    "text.",
    "vocabulary.",
    "validation.file",
    "validation.fraction",
    "training.grow_vocabulary",
    "training.gone_words",
)


def check_inputs(sources: Sequence[str], config: Config) -> None:
    """Check that every input file exists, before anything is written."""
    if not is_prepared_folder(sources):
        check_sources([*sources, *files_named(config)])
    old_model_file(config.training.init_from)


def is_prepared_folder(sources: Sequence[str]) -> bool:
    """Whether the sources are one folder that `lmctl prepare` wrote."""
    return len(sources) == 1 and is_prepared(Path(sources[0]))


def choose_folder(sources: Sequence[str], model: Path | None) -> Path:
    """The model folder; without -o, a folder with the name of the first source.

    Raises:
        UsageError: the first source has no name, such as standard input.
    """
    if model is not None:
        return model
    if sources[0] == STDIN:
        raise UsageError("a model trained on standard input needs a name: -o MODEL")
    first = local_path(sources[0])
    name = file_name(sources[0] if first is None else str(first.resolve())).lstrip(".").split(".")[0]
    # A missing file has a name, too; a later check reports it.
    if not name or (first is not None and first.exists() and not (first.is_file() or first.is_dir())):
        raise UsageError(f"a model trained on {sources[0]} needs a name: -o MODEL")
    return DEFAULT_FOLDER / name


def check_owner(place: Path, sources: Sequence[str]) -> None:
    """Check that a default folder is not the model of another corpus.

    Raises:
        UsageError: its current generation was trained on other sources.
    """
    current = ModelFolder(place).current()
    if current is None:
        return
    try:
        record = open_bundle(current).record
    except LmctlError as error:
        logger.warning("%s; training again", error)
        return
    known = [] if record.corpus is None else record.corpus.sources
    before = [source.name for source in known if source.split == "train"]
    if before != _source_names(sources):
        raise UsageError(
            f"{place} was trained on other sources ({listed(before) or 'not by lmctl train'}); "
            "name another model with -o, or this one to replace it"
        )


def _source_names(sources: Sequence[str]) -> list[str]:
    if is_prepared_folder(sources):
        record = read_record(Path(sources[0]))
        return [source.name for source in record.sources if source.split == "train"]
    return [recorded_name(source) for source in sources]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a training.

    Attributes:
        corpus: the training corpus, with its validation text.
        config: the resolved configuration.
        old_model: the model whose weights training starts from; None: random weights.
    """

    corpus: PreparedCorpus
    config: Config
    old_model: OldModel | None


@contextlib.contextmanager
def opened_inputs(
    job: TrainingJob,
    folder: ModelFolder,
    on_event: OnRunEvent,
    scratch: Path | None = None,
    deadline: Deadline = NEVER,
) -> Iterator[Inputs]:
    """Find the old model, open or prepare the corpus, and resolve the configuration.

    Args:
        job: the request.
        folder: the model folder.
        on_event: receives the events of reading and of the prepared corpus.
        scratch: folder in which texts are prepared; None: the scratch folder of the model.
        deadline: end of the run.

    Raises:
        OutOfTimeError: the time is over before the texts are prepared.
    """
    old_model = OldModel.find(job.config.training.init_from, folder)
    with _opened_corpus(job, scratch or folder.scratch, old_model, on_event, deadline) as corpus:
        config = resolve_config(job.settings, corpus, old_model)
        on_event(describe_corpus(corpus))
        yield Inputs(corpus, config, old_model)


@contextlib.contextmanager
def _opened_corpus(
    job: TrainingJob, work: Path, old_model: OldModel | None, on_event: OnRunEvent, deadline: Deadline
) -> Iterator[PreparedCorpus]:
    """The training corpus: a prepared folder as it is, or the texts, prepared for this run only."""
    sources = job.sources
    if is_prepared_folder(sources):
        decided = [key for key in job.settings.explicit if key.startswith(DECIDED_BY_PREPARATION)]
        if decided:
            raise UsageError(
                f"{decided[0]}: {sources[0]} is prepared already, so it cannot be changed; "
                "leave it out, or prepare the text again"
            )
        # Another preparation may replace the corpus during a long training, and would remove its files.
        yield PreparedCorpus.open(Path(sources[0])).linked(work / "corpus")
        return
    folder = work / "corpus"
    if folder.exists():
        shutil.rmtree(folder)
    try:
        with deadline.enforced(
            f"training.time_limit: {job.config.training.time_limit} is over before the text is prepared; nothing "
            "was published; set a longer training.time_limit, or prepare the text once with lmctl prepare"
        ):
            corpus = prepare(
                sources,
                folder,
                job.config,
                jobs=job.policies.jobs or job.config.device.threads,
                scheduler=job.policies.scheduler,
                old_words=None if old_model is None else old_model.vocabulary.words,
                old_sources=() if old_model is None else old_model.sources,
                on_progress=lambda read: on_event(TextRead(bytes=read)),
            )
        yield corpus
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def resolve_config(settings: Settings, corpus: PreparedCorpus, old_model: OldModel | None) -> Config:
    """The resolved configuration, for a corpus.

    The size of the corpus and the time limit choose the preset. The sections of the text come from the preparation
    of the corpus.
    """
    record = corpus.record
    config = settings.resolve(record.train.tokens, preset_before=None if old_model is None else old_model.preset)
    if old_model is not None:
        config = old_model.inherit(config, settings, corpus.vocabulary)
    text, vocabulary, validation = (record.settings.get(name, {}) for name in ("text", "vocabulary", "validation"))
    replace = msgspec.structs.replace
    return replace(
        config,
        # The segmenter that `auto` chose.
        text=with_segmenter(replace(config.text, **text), record.recipe.segmenter.name),
        vocabulary=replace(config.vocabulary, **vocabulary),
        validation=replace(config.validation, **validation | {"state": config.validation.state}),
    )


def describe_corpus(corpus: PreparedCorpus) -> Prepared:
    """The event that describes a corpus."""
    record = corpus.record
    return Prepared(
        tokens=len(corpus.train),
        vocabulary_size=record.vocabulary_size,
        oov_rate=record.train.oov_rate,
        valid_tokens=len(corpus.valid),
        valid_oov_rate=record.valid.oov_rate if len(corpus.valid) else None,
    )
