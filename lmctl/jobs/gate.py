"""The gate: a new model takes the published one's place only if it is not worse."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.query.model import Model

logger = logging.getLogger(__name__)

NO_LENGTH = "no gate: stop words were left out, so there are no bits per character to compare"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Bits per character of one text under the published model and under the new one."""

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
        return (
            f"the new model is {worse:.1f} % worse than the current one "
            f"({self.new:.4f} against {self.published:.4f} bits per character; {allowed:g} % is allowed)"
        )


@dataclass(frozen=True, slots=True)
class Standard:
    """What a new model has to match, measured before it is trained.

    Attributes:
        bits_per_character: of the validation text under the published model.
        family: of the published model.
        parameters: how many it has.
        seconds: what opening it and scoring the text took.
    """

    bits_per_character: float
    family: str
    parameters: int
    seconds: float


def score_published(published: Path | None, corpus: PreparedCorpus, config: Config) -> Standard | None:
    """Score the validation text with the published model.

    Returns:
        None where there is no gate: it is not wanted, nothing is published or it cannot be opened, there is no
        validation text, or stop words are left out, without which the text has no length.
    """
    if not config.publishing.gate or published is None:
        return None
    if not len(corpus.valid):
        logger.info("no gate: there is no validation text")
        return None
    began = time.monotonic()
    try:
        model = load(published)
        bits_per_character = _bits_per_character(model, corpus, config)
    except LmctlError as error:
        logger.warning("no gate: what is published cannot be scored: %s", error)
        return None
    if bits_per_character is None:
        logger.info(NO_LENGTH)
        return None
    bundle = model.bundle
    return Standard(bits_per_character, bundle.record.family, bundle.parameters(), time.monotonic() - began)


def compare(standard: Standard, new: Path, corpus: PreparedCorpus, config: Config) -> Comparison | None:
    """Score the validation text with a new model, in the same state mode.

    Bits per character, which pay for the spelling of words that a model does not know, compare models of any
    vocabulary and segmenter.

    Returns:
        None where stop words are left out.
    """
    bits_per_character = _bits_per_character(load(new), corpus, config)
    if bits_per_character is None:
        logger.info(NO_LENGTH)
        return None
    return Comparison(standard.bits_per_character, bits_per_character, config.publishing.gate_tolerance)


def _bits_per_character(model: Model, corpus: PreparedCorpus, config: Config) -> float | None:
    figures = evaluate_file(
        model,
        str(corpus.valid_text),
        state=config.validation.state,
        blank_lines=corpus.record.recipe.blank_lines,
        threads=config.device.threads,
    )
    return figures.bits_per_character
