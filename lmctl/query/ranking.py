"""Orders sentences by their probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.query.hypotheses import score_hypotheses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.query.hypotheses import HypothesisScore
    from lmctl.query.text_model import TextModel

_NATS_PER_BIT = math.log(2)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sentence in its place.

    Attributes:
        place: its place in the input, from 0.
        sentence: the sentence.
        bits: -log2 of its probability, its end included, divided as `per` says.
        margin: the bits by which it is better than the next one, 0 or more; None for the last one.
        oov: number of words outside the vocabulary; they are scored as `<unk>`.
    """

    place: int
    sentence: str
    bits: float
    margin: float | None
    oov: int


def rank_sentences(model: TextModel, sentences: Sequence[str], *, per: str = "sentence") -> list[Ranked]:
    """Order sentences, the one with the fewest bits first. Equal ones stay in their order.

    Args:
        model: the model of the next word.
        sentences: the sentences.
        per: "sentence": all bits; "token": bits divided by the number of tokens, `</s>` among them; "character":
            divided by the number of characters, the end of the line among them.

    Raises:
        UsageError: the model does not predict the next word.
    """
    scores = score_hypotheses(model, sentences)
    bits = [-score.log_prob / _NATS_PER_BIT / _units(score, per) for score in scores]
    order = sorted(range(len(bits)), key=bits.__getitem__)
    margins = [
        None if after is None else _difference(bits[after], bits[place])
        for place, after in zip(order, [*order[1:], None], strict=True)
    ]
    return [
        # 0 and not -0 for a certain sentence.
        Ranked(place, sentences[place], bits[place] + 0.0, margin, scores[place].oov)
        for place, margin in zip(order, margins, strict=True)
    ]


def _units(score: HypothesisScore, per: str) -> int:
    return {"sentence": 1, "token": score.words + 1, "character": score.characters + 1}[per]


def _difference(larger: float, smaller: float) -> float:
    """Their difference; 0 for two impossible sentences."""
    return 0.0 if larger == smaller else larger - smaller
