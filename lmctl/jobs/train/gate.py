"""The gate: a new model is published only if it is not worse than the current generation.

Both are scored on the validation text of the new corpus, and on the validation text that the current generation
keeps. If there is neither text, the run is refused before it trains.
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
from lmctl.query.evaluation import evaluate_file, sampled_bits_per_character
from lmctl.query.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.query.model import Model
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

NO_TEXT = (
    "there is no text to compare the new model with the current one: the corpus has no validation text, and the "
    "current generation keeps none. --valid FILE names a validation text"
)
NO_LENGTH = (
    "stop words are left out of the text, so bits per character, which compare the new model with the current "
    "one, cannot be computed"
)
ANYWAY = "--no-gate publishes without a comparison"


@dataclass(frozen=True, slots=True)
class ComparedText:
    """A text that two models are compared on.

    Attributes:
        kind: "validation": the validation text of the new corpus; "kept": the text that the current generation
            keeps.
        path: a file in UTF-8, a sentence a line.
        blank_lines: whether a line without words is a sentence ("keep") or not ("drop").
        tolerance: share by which the bits per character of the new model may be higher.
    """

    kind: Literal["validation", "kept"]
    path: Path
    blank_lines: Literal["drop", "keep"]
    tolerance: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bits per character of one text under the current generation and under the new model.

    Attributes:
        figure: the name of what is compared. Models that fill gaps have pseudo bits per character.
    """

    kind: Literal["validation", "kept"]
    published: float
    new: float
    tolerance: float
    figure: Literal["bits_per_character", "pseudo_bits_per_character"] = "bits_per_character"

    @property
    def passed(self) -> bool:
        """Whether the new model is worse by at most the tolerance."""
        return self.new <= self.published * (1 + self.tolerance)

    @property
    def figures(self) -> dict[str, float]:
        """Both figures, by their names in runs.jsonl."""
        return {self.figure: self.new, f"published_{self.figure}": self.published}

    def __str__(self) -> str:
        worse, allowed = 100 * (self.new / self.published - 1), 100 * self.tolerance
        where = "" if self.kind == "validation" else "on the validation text that the current generation keeps, "
        return (
            f"{where}the new model is {worse:.1f} % worse than the current one "
            f"({self.new:.4f} against {self.published:.4f} {self.figure.replace('_', ' ')}; {allowed:g} % is "
            "allowed)"
        )


@dataclass(frozen=True, slots=True)
class Standard:
    """Figures of the current generation, which a new model has to match; measured before it is trained.

    Attributes:
        scored: each text, with its bits per character under the current generation.
        family: family of the current generation.
        parameters: its number of parameters.
        seconds: time that opening it and scoring the texts took.
        state: "carry" or "reset": the mode in which both models are scored.
        threads: the largest number of batches that are scored at the same time; 0: the number of cores.
        doubt: why the current generation may look better on the new validation text than it is; None if there is
            no reason.
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
    """Score the texts of the gate with the current generation.

    Args:
        published: folder of the current generation; None if there is none.
        corpus: the training corpus of the new model.
        config: the resolved configuration.
        is_made_again: whether the run repeats the request of the current generation.

    Returns:
        The figures; None if there is no gate. That is so if `publishing.gate` is off or nothing is published. It
        is also so if no text can be compared, and the run makes a damaged generation again or its text has only
        grown.

    Raises:
        QualityGateError: no text can be compared, or one of the models predicts the next word and the other fills
            gaps.
    """
    if not config.publishing.gate or published is None:
        return None
    began = time.monotonic()
    try:
        model = load(published)
        _check_comparable(model.bundle, config)
        texts = _texts(model.bundle, corpus, config.publishing)
        leaves_out = corpus.record.recipe.stop_words or model.bundle.record.recipe.stop_words
        if texts and not leaves_out:
            doubt = _doubt(model.bundle, corpus, config)
            return measure(model, texts, began, config.validation.state, config.device.threads, doubt)
        if _has_only_grown(model, corpus, config):
            logger.info(
                "no gate: there is no text to compare on, and this text contains all words of the last one"
            )
            return None
    except QualityGateError:
        raise
    except LmctlError as error:
        if is_made_again:
            logger.warning("no gate: the published generation cannot be read, and is made again (%s)", error)
            return None
        raise QualityGateError(
            f"not trained: a new model cannot be compared with the current one, which cannot be opened "
            f"({error if published.is_dir() else f'{published}: is missing'}); `lmctl rollback` makes an older "
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
    """Score texts with the current generation.

    Args:
        model: the current generation.
        texts: at least one text.
        began: time before the model was opened, in seconds of time.monotonic().
        state: see `Standard`.
        threads: see `Standard`.
        doubt: see `Standard`.
    """
    scored = tuple((text, _bits_per_character(model, text, state, threads)) for text in texts)
    seconds = time.monotonic() - began
    return Standard(scored, model.bundle.record.family, model.bundle.parameters(), seconds, state, threads, doubt)


def inherited_text(standard: Standard | None) -> bytes:
    """The text that the current generation keeps, for a new one without a validation text; empty if none."""
    kept = [] if standard is None else [text.path for text, _ in standard.scored if text.kind == "kept"]
    return kept[0].read_bytes() if kept else b""


def compare(standard: Standard, new: Path) -> list[Comparison]:
    """Score the texts of a standard with a new model, in the same state mode.

    Bits per character include the cost of spelling out-of-vocabulary words. So they compare models with different
    vocabularies and segmenters.
    """
    model = load(new)
    return [
        Comparison(
            text.kind,
            bits_per_character,
            _bits_per_character(model, text, standard.state, standard.threads),
            text.tolerance,
            "bits_per_character" if model.gap_model is None else "pseudo_bits_per_character",
        )
        for text, bits_per_character in standard.scored
    ]


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


def _bits_per_character(model: Model, text: ComparedText, state: Literal["carry", "reset"], threads: int) -> float:
    if model.gap_model is not None:
        bits = sampled_bits_per_character(model, model.gap_model, str(text.path), threads=threads)
    else:
        path = str(text.path)
        figures = evaluate_file(model, path, state=state, blank_lines=text.blank_lines, threads=threads)
        bits = figures.bits_per_character
    if bits is None:
        raise QualityGateError(f"not published: {NO_LENGTH}; {ANYWAY}")
    return bits


def _check_comparable(bundle: Bundle, config: Config) -> None:
    """Refuse to compare a model that predicts the next word with one that fills gaps."""
    kinds = {True: "predicts the next word", False: "fills gaps"}
    before, new = families.find(bundle.record.family), config.family
    if before.predicts_next_word != new.predicts_next_word:
        raise QualityGateError(
            f"not trained: the current model (family {before.name}) {kinds[before.predicts_next_word]}, and a "
            f"model of family {new.name} {kinds[new.predicts_next_word]}, so the two cannot be compared; {ANYWAY}"
        )
