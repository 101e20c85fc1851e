"""The gate: a new model is published only if it is not worse than the current generation.

Both are scored on the validation text of the new corpus, and on the validation text that the current generation
keeps. If there is neither text, the run is refused before it trains.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from lmctl import families
from lmctl.config import Config, DeviceConfig, PublishingConfig
from lmctl.deadline import NEVER
from lmctl.errors import FormatVersionError, LmctlError, QualityGateError, UsageError
from lmctl.jobs.train.comparison import ANYWAY, NO_LENGTH, ComparedText, measure
from lmctl.jobs.train.kept_text import kept_part
from lmctl.query.model import load
from lmctl.store.bundle import open_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.comparison import Standard
    from lmctl.query.model import Model
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

NO_TEXT = (
    "there is no text to compare the new model with the current one: the corpus has no validation text, and the "
    "current generation keeps none. --valid FILE names a validation text"
)


def score_published(
    published: Path | None,
    corpus: PreparedCorpus,
    config: Config,
    is_made_again: bool,
    deadline: Deadline = NEVER,
) -> Standard | None:
    """Score the texts of the gate with the current generation.

    Args:
        published: folder of the current generation; None if there is none.
        corpus: the training corpus of the new model.
        config: the resolved configuration.
        is_made_again: whether the run repeats the request of the current generation.
        deadline: end of the run.

    Returns:
        The figures; None if there is no gate. That is so if `publishing.gate` is off or nothing is published, or
        if the current generation has a format that only older versions of lmctl read. It is also so if no text can
        be compared, and the run makes a damaged generation again or its text has only grown.

    Raises:
        QualityGateError: no text can be compared, or one of the models predicts the next word and the other fills
            gaps.
    """
    if not config.publishing.gate or published is None:
        return None
    began = deadline.clock()
    try:
        model = load(published)
        _check_comparable(model.bundle, config)
        texts = _texts(model.bundle, corpus, config.publishing)
        leaves_out = corpus.record.recipe.stop_words or model.bundle.record.recipe.stop_words
        if texts and not leaves_out:
            doubt = _doubt(model.bundle, corpus, config)
            state, threads = config.validation.state, config.device.threads
            return measure(model, texts, began, state, threads, doubt, deadline)
        if _has_only_grown(model, corpus, config):
            logger.info(
                "no gate: there is no text to compare on, and this text contains all words of the last one"
            )
            return None
    except QualityGateError:
        raise
    except LmctlError as error:
        # This lmctl answers no query with an older format, so the new model replaces nothing that works.
        if isinstance(error, FormatVersionError) and error.is_older:
            logger.warning("no gate: the published generation is of an older version of lmctl (%s)", error)
            return None
        if is_made_again:
            logger.warning("no gate: the published generation cannot be read, and is made again (%s)", error)
            return None
        raise QualityGateError(
            f"not trained: a new model cannot be compared with the current one, which cannot be opened "
            f"({error if published.is_dir() else f'{published}: is missing'}); `lmctl rollback` makes an older "
            f"one current, {ANYWAY}"
        ) from error
    raise QualityGateError(f"not trained: {NO_LENGTH if leaves_out else NO_TEXT}; {ANYWAY}")


def inherited_text(published: Path | None) -> bytes:
    """The text that the current generation keeps, for a new one without a validation text; empty if none."""
    try:
        kept = None if published is None else open_bundle(published).kept_text()
    except LmctlError as error:
        logger.debug("no text to keep: %s", error)
        return b""
    return b"" if kept is None else kept.read_bytes()


def _texts(bundle: Bundle, corpus: PreparedCorpus, publishing: PublishingConfig) -> list[ComparedText]:
    """The texts that both models are scored on.

    The kept text has `drift_tolerance`; if it is the only text, it has `gate_tolerance`.
    """
    texts = []
    kept = bundle.kept_text()
    own = bundle.record.corpus
    # A generation without validation text keeps the text of the one before, and may have been trained on it.
    # `lmctl mix` keeps the text that it tuned the weights on instead.
    is_inherited = own is not None and not own.valid.sentences and not _is_made_by_mix(bundle)
    if len(corpus.valid):
        valid = corpus.valid_text
        texts.append(
            ComparedText("validation", valid, corpus.record.recipe.blank_lines, publishing.gate_tolerance)
        )
        if kept is not None and kept.read_bytes() == kept_part(valid):
            return texts
    if kept is not None and not (texts and is_inherited):
        tolerance = publishing.drift_tolerance if texts else publishing.gate_tolerance
        texts.append(ComparedText("kept", kept, bundle.record.recipe.blank_lines, tolerance))
    return texts


def _has_only_grown(model: Model, corpus: PreparedCorpus, config: Config) -> bool:
    """Whether the settings are unchanged and the text has only grown.

    Every word of the last text must occur in the new one at least as often.
    """
    record = model.bundle.record
    if record.corpus is None or record.recipe != corpus.record.recipe:
        return False
    # Its configuration is the first member's alone: a run by those settings makes one member, not the mixture.
    if _is_made_by_mix(model.bundle):
        return False
    before = _config_of(model.bundle)
    if before is None or before.family is not config.family:
        return False
    if _decisive(before, record.corpus.train.tokens) != _decisive(config, record.corpus.train.tokens):
        return False
    counts = dict(zip(corpus.vocabulary.words, corpus.vocabulary.counts, strict=True))
    counted = zip(model.vocabulary.words, model.vocabulary.counts, strict=True)
    return record.corpus.train.words <= corpus.record.train.words and all(
        counts.get(word, -1) >= count for word, count in counted
    )


def _is_made_by_mix(bundle: Bundle) -> bool:
    """Whether `lmctl mix` made a bundle; a mixture made by `lmctl train` has a summary of its training."""
    return families.find(bundle.record.family).combines and bundle.record.training is None


def _decisive(config: Config, training_tokens: int) -> Config:
    """The settings that affect the quality of a model, with the keys that the number of tokens decides."""
    model = config.family.settle_config(config.model, training_tokens)
    if config.training.init_from is not None and hasattr(model, "cutoffs"):
        # They are those of the older model, which a training from random weights chose.
        model = msgspec.structs.replace(model, cutoffs=None)
    return msgspec.structs.replace(config, model=model, publishing=PublishingConfig(), device=DeviceConfig())


def _config_of(bundle: Bundle) -> Config | None:
    """The configuration of a model; None if another version of lmctl wrote it, with other keys."""
    try:
        return bundle.config()
    except UsageError:
        return None


def _doubt(bundle: Bundle, corpus: PreparedCorpus, config: Config) -> str | None:
    """Why the current generation may have been trained on the new validation text, judged by the records.

    None if the records give no reason.
    """
    before = bundle.record.corpus
    if before is None:
        return None
    trained_on = {source.sha256 for source in before.sources if source.split == "train"}
    own_files = [source for source in corpus.record.sources if source.split == "valid"]
    if known := [source.name for source in own_files if source.sha256 in trained_on]:
        # The record has the absolute path, the configuration the path as the user typed it.
        name = config.validation.file or known[0]
        return f"the current one was trained on {name} and looks better there than it is"
    if own_files or any(source.split == "valid" for source in before.sources):
        return None
    if not before.valid.sentences:
        return "the current one held nothing out: if it was trained on these lines, it looks better than it is"
    config_before = _config_of(bundle)
    if config_before is not None and config_before.validation.fraction < config.validation.fraction:
        return (
            f"the current one held out {config_before.validation.fraction:g} of its text, not "
            f"{config.validation.fraction:g}: it was trained on some of these lines, and looks better than it is"
        )
    return None


def _check_comparable(bundle: Bundle, config: Config) -> None:
    """Refuse to compare a model that predicts the next word with one that fills gaps."""
    kinds = {True: "predicts the next word", False: "fills gaps"}
    before, new = families.find(bundle.record.family), config.family
    if before.predicts_next_word != new.predicts_next_word:
        raise QualityGateError(
            f"not trained: the current model (family {before.name}) {kinds[before.predicts_next_word]}, and a "
            f"model of family {new.name} {kinds[new.predicts_next_word]}, so the two cannot be compared; {ANYWAY}"
        )
