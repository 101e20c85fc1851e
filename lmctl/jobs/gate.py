"""The gate: a new model takes the published one's place only if it is not worse."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmctl.errors import LmctlError
from lmctl.query.evaluation import evaluate_file
from lmctl.query.model import load

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus

logger = logging.getLogger(__name__)


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
        return (
            f"{self.new:.4f} bits per character on the validation text, {self.published:.4f} for what is "
            f"published: {100 * (self.new / self.published - 1):+.1f} %, where publishing.gate_tolerance allows "
            f"{100 * self.tolerance:g} %"
        )


def compare(published: Path, new: Path, corpus: PreparedCorpus, config: Config) -> Comparison | None:
    """Score the validation text with both models, in the same state mode.

    Bits per character, which pay for the spelling of words that a model does not know, compare models of any
    vocabulary and segmenter.

    Returns:
        None where there is nothing to compare: no validation text, a published model that cannot be opened, or
        stop words, without which the text has no length.
    """
    if not len(corpus.valid):
        logger.info("no gate: there is no validation text")
        return None
    try:
        before = _bits_per_character(published, corpus, config.validation.state)
    except LmctlError as error:
        logger.warning("no gate: what is published cannot be scored: %s", error)
        return None
    after = _bits_per_character(new, corpus, config.validation.state)
    if before is None or after is None:
        logger.info("no gate: stop words were left out, so there are no bits per character to compare")
        return None
    return Comparison(before, after, config.publishing.gate_tolerance)


def _bits_per_character(bundle: Path, corpus: PreparedCorpus, state: Literal["carry", "reset"]) -> float | None:
    blank_lines = corpus.record.recipe.blank_lines
    figures = evaluate_file(load(bundle), str(corpus.valid_text), state=state, blank_lines=blank_lines)
    return figures.bits_per_character
