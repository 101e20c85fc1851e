"""Compares a new model with the current generation: both are scored on the same texts.

If a time limit leaves no time to score a whole text with one of the models, both are compared on the part that
both have scored.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lmctl.deadline import NEVER, Deadline
from lmctl.errors import QualityGateError
from lmctl.query.model import load
from lmctl.query.text_bits import bits_of_gaps, bits_of_lines

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.query.model import Model
    from lmctl.query.text_bits import TextBits

logger = logging.getLogger(__name__)

NO_LENGTH = (
    "stop words are left out of the text, so bits per character, which compare the new model with the current "
    "one, cannot be computed"
)
ANYWAY = "--no-gate publishes without a comparison"
# Largest share of the time left that scoring the texts with the current generation may take. The new model is
# scored on the same part.
SCORING_SHARE = 0.125


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
        characters: number of characters that were scored with both.
        figure: the name of what is compared. Models that fill gaps have pseudo bits per character.
    """

    kind: Literal["validation", "kept"]
    published: float
    new: float
    tolerance: float
    characters: int
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
        allowed = 100 * self.tolerance
        # A model may be certain of each word of a text.
        worse = f"{100 * (self.new / self.published - 1):.1f} % worse" if self.published else "worse"
        where = "" if self.kind == "validation" else "on the validation text that the current generation keeps, "
        return (
            f"{where}the new model is {worse} than the current one "
            f"({self.new:.4f} against {self.published:.4f} {self.figure.replace('_', ' ')}; {allowed:g} % is "
            "allowed)"
        )


@dataclass(frozen=True, slots=True)
class Standard:
    """Figures of the current generation, which a new model has to match; measured before it is trained.

    Attributes:
        scored: each text, with its bits under the current generation.
        family: family of the current generation.
        parameters: its number of parameters.
        seconds: time that opening it and scoring the texts took.
        state: "carry" or "reset": the mode in which both models are scored.
        threads: the largest number of batches that are scored at the same time; 0: the number of cores.
        doubt: why the current generation may look better on the new validation text than it is; None if there is
            no reason.
    """

    scored: tuple[tuple[ComparedText, TextBits], ...]
    family: str
    parameters: int
    seconds: float
    state: Literal["carry", "reset"]
    threads: int = 0
    doubt: str | None = None


def measure(
    model: Model,
    texts: list[ComparedText],
    began: float,
    state: Literal["carry", "reset"],
    threads: int = 0,
    doubt: str | None = None,
    deadline: Deadline = NEVER,
) -> Standard:
    """Score texts with the current generation.

    Args:
        model: the current generation.
        texts: at least one text.
        began: time before the model was opened, in seconds of the deadline's clock.
        state: see `Standard`.
        threads: see `Standard`.
        doubt: see `Standard`.
        deadline: end of the run. Scoring ends after `SCORING_SHARE` of the time left, shared among the texts.
    """
    scored = []
    for place, text in enumerate(texts):
        seconds = SCORING_SHARE * deadline.left() / (len(texts) - place)
        until = Deadline(deadline.clock() + seconds, deadline.clock) if deadline.exists else NEVER
        scored.append((text, _text_bits(model, text, state, threads, until)))
    seconds = deadline.clock() - began
    return Standard(
        tuple(scored), model.bundle.record.family, model.bundle.parameters(), seconds, state, threads, doubt
    )


def compare(standard: Standard, new: Path, deadline: Deadline = NEVER) -> list[Comparison]:
    """Score the texts of a standard with a new model, in the same state mode.

    Bits per character include the cost of spelling out-of-vocabulary words. So they compare models with different
    vocabularies and segmenters.

    Args:
        standard: the figures of the current generation.
        new: the bundle of the new model.
        deadline: end of the time for scoring. A text that is cut short then is compared on the part that both
            models have scored.
    """
    model = load(new)
    comparisons = []
    for place, (text, before) in enumerate(standard.scored):
        seconds = deadline.left() / (len(standard.scored) - place)
        until = Deadline(deadline.clock() + seconds, deadline.clock) if deadline.exists else NEVER
        most = before.end if before.is_cut else None
        bits = _text_bits(model, text, standard.state, standard.threads, until, most)
        end = None
        if before.is_cut or bits.is_cut:
            end = min(before.end, bits.end)
            logger.warning(
                "training.time_limit leaves no time to compare the models on all of the %s: they are compared on "
                "%s characters of it",
                "validation text" if text.kind == "validation" else "text that the current generation keeps",
                f"{bits.characters_to(end):,}",
            )
        comparisons.append(
            Comparison(
                text.kind,
                before.per_character(end),
                bits.per_character(end),
                text.tolerance,
                bits.characters_to(end),
                "bits_per_character" if model.gap_model is None else "pseudo_bits_per_character",
            )
        )
    return comparisons


def _text_bits(
    model: Model,
    text: ComparedText,
    state: Literal["carry", "reset"],
    threads: int,
    deadline: Deadline,
    end: float | None = None,
) -> TextBits:
    """Score a text of the gate, to a place that the current generation has scored (None: to its end).

    Raises:
        QualityGateError: stop words are left out, so there are no bits per character.
    """
    if model.gap_model is not None:
        bits = bits_of_gaps(model, model.gap_model, text.path, threads=threads, deadline=deadline, end=end)
    else:
        bits = bits_of_lines(
            model,
            text.path,
            state=state,
            blank_lines=text.blank_lines,
            threads=threads,
            deadline=deadline,
            end=end,
        )
    if bits is None:
        raise QualityGateError(f"not published: {NO_LENGTH}; {ANYWAY}")
    return bits
