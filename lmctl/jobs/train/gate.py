"""The gate: a new model takes the published one's place only if it is not worse.

Both are scored on the validation text of the new corpus, and on the one that the published generation keeps. A run
whose model could be compared on neither is refused before it trains.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from lmctl import families
from lmctl.config import Config, DeviceConfig, PublishingConfig
from lmctl.errors import LmctlError, QualityGateError, UsageError
from lmctl.jobs.train.kept_text import kept_part
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.query.model import Model
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

NO_TEXT = (
    "no text is there to compare the new model with the current one: the corpus has no validation text, and the "
    "current generation keeps none. --valid FILE names validation text"
)
NO_LENGTH = (
    "stop words are left out, so the bits per character that would compare the new model with the current one are "
    "unknown"
)
ANYWAY = "--no-gate publishes without a comparison"


@dataclass(frozen=True, slots=True)
class ComparedText:
    """A text that two models are compared on.

    Attributes:
        kind: "validation": of the new corpus; "kept": of the published generation.
        path: UTF-8, a sentence a line.
        blank_lines: whether a line without words is a sentence.
        tolerance: the share by which the new model may be worse.
    """

    kind: Literal["validation", "kept"]
    path: Path
    blank_lines: Literal["drop", "keep"]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bits per character of one text under the published model and under the new one."""

    kind: Literal["validation", "kept"]
    published: float
    new: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the new model is at most so much worse."""
        return self.new <= self.published * (1 + self.tolerance)

    @property
    def figures(self) -> dict[str, float]:
        """Both figures, by the names that runs.jsonl has them under."""
        return {"bits_per_character": self.new, "published_bits_per_character": self.published}

    def __str__(self) -> str:
        worse, allowed = 100 * (self.new / self.published - 1), 100 * self.tolerance
        where = "" if self.kind == "validation" else "on the validation text that the current generation keeps, "
        return (
            f"{where}the new model is {worse:.1f} % worse than the current one "
            f"({self.new:.4f} against {self.published:.4f} bits per character; {allowed:g} % is allowed)"
        )


@dataclass(frozen=True, slots=True)
class Standard:
    """What a new model has to match, measured before it is trained.

    Attributes:
        scored: each text, with its bits per character under the published model.
        family: of the published model.
        parameters: how many it has.
        seconds: what opening it and scoring the texts took.
        state: "carry" or "reset", as both models are scored.
        threads: how many batches of sentences are scored at once, at most; 0: as many as there are cores.
        doubt: why the published model may look better on the new validation text than it is; None if nothing
            speaks for that.
    """

    scored: tuple[tuple[ComparedText, float], ...]
    family: str
    parameters: int
    seconds: float
    state: Literal["carry", "reset"]
    threads: int = 0
    doubt: str | None = None


def score_published(
    published: Path | None, corpus: PreparedCorpus, config: Config, is_made_again: bool
) -> Standard | None:
    """Score the texts that a new model will be compared on with the published model.

    Args:
        published: the current generation; None if there is none.
        corpus: what the new model is trained on.
        config: fully resolved.
        is_made_again: whether the run is the one that made the current generation.

    Returns:
        None if there is no gate: it is not wanted, nothing is published, or nothing can be compared and the run
        makes a damaged generation again, or that of a text that has only grown.

    Raises:
        QualityGateError: nothing can be compared.
    """
    if not config.publishing.gate or published is None:
        return None
    began = time.monotonic()
    try:
        model = load(published)
        texts = _texts(model.bundle, corpus, config.publishing)
        leaves_out = corpus.record.recipe.stop_words or model.bundle.record.recipe.stop_words
        if texts and not leaves_out:
            doubt = _doubt(model.bundle, corpus, config)
            return measure(model, texts, began, config.validation.state, config.device.threads, doubt)
        if _has_only_grown(model, corpus, config):
            logger.info("no gate: nothing can be compared, and all of the text before is in this one")
            return None
    except LmctlError as error:
        if is_made_again:
            logger.warning("no gate: the published generation cannot be read, and is made again (%s)", error)
            return None
        raise QualityGateError(
            f"not trained: nothing says whether a new model is as good as the current one, which cannot be opened "
            f"({error if published.is_dir() else f'{published}: is not there'}); `lmctl rollback` makes an older "
            f"one current, {ANYWAY}"
        ) from error
    raise QualityGateError(f"not trained: {NO_LENGTH if leaves_out else NO_TEXT}; {ANYWAY}")


def measure(
    model: Model,
    texts: list[ComparedText],
    began: float,
    state: Literal["carry", "reset"],
    threads: int = 0,
    doubt: str | None = None,
) -> Standard:
    """Score texts with the published model.

    Args:
        model: the published one.
        texts: at least one.
        began: when it was opened, in seconds of time.monotonic().
        state: as in `Standard`, and so the others.
        threads: likewise.
        doubt: likewise.
    """
    scored = tuple((text, _bits_per_character(model, text, state, threads)) for text in texts)
    seconds = time.monotonic() - began
    return Standard(scored, model.bundle.record.family, model.bundle.parameters(), seconds, state, threads, doubt)


def inherited_text(standard: Standard | None) -> bytes:
    """What a generation keeps whose corpus has no validation text: what the one before kept; empty if nothing."""
    kept = [] if standard is None else [text.path for text, _ in standard.scored if text.kind == "kept"]
    return kept[0].read_bytes() if kept else b""


def compare(standard: Standard, new: Path) -> list[Comparison]:
    """Score the texts of a standard with a new model, in the same state mode.

    Bits per character, which pay for the spelling of words that a model does not know, compare models of any
    vocabulary and segmenter.
    """
    model = load(new)
    return [
        Comparison(
            text.kind,
            bits_per_character,
            _bits_per_character(model, text, standard.state, standard.threads),
            text.tolerance,
        )
        for text, bits_per_character in standard.scored
    ]


def _texts(bundle: Bundle, corpus: PreparedCorpus, publishing: PublishingConfig) -> list[ComparedText]:
    """What both models can be scored on; what is kept decides as the new text does if it is the only one."""
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
    """Whether a corpus has all that the published model was trained on, by the same settings.

    Every word of the text before must stand in it at least as often.
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
    """The settings that decide how good a model is, with what follows from so much text."""
    model = config.family.settle_config(config.model, training_tokens)
    return msgspec.structs.replace(config, model=model, publishing=PublishingConfig(), device=DeviceConfig())


def _config_of(bundle: Bundle) -> Config | None:
    """What a model was made by; None if another version of lmctl made it, with other keys."""
    try:
        return bundle.config()
    except UsageError:
        return None


def _doubt(bundle: Bundle, corpus: PreparedCorpus, config: Config) -> str | None:
    """Why the published model may have been trained on the new validation text, as far as the records say."""
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


def _bits_per_character(model: Model, text: ComparedText, state: Literal["carry", "reset"], threads: int) -> float:
    figures = evaluate_file(model, str(text.path), state=state, blank_lines=text.blank_lines, threads=threads)
    if figures.bits_per_character is None:
        raise QualityGateError(f"not published: {NO_LENGTH}; {ANYWAY}")
    return figures.bits_per_character
