"""Mixtures: the weights of their members, and the bundle around these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import families
from lmctl.families.interpolation import tune_weights
from lmctl.perplexity import perplexity_of
from lmctl.store.draft import Draft, TextFiles
from lmctl.store.layout import CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.jobs.train.validating import ValidScores
    from lmctl.store.bundle import Bundle
    from lmctl.store.model_record import CorpusSummary, TrainingSummary

# A member with less of the weight than this does not count: without it, the mixture answers the same.
LEAST_WEIGHT = 0.0005


@dataclass(frozen=True, slots=True)
class Mixture:
    """Members' weights, and how they predict the text that these were tuned on.

    Attributes:
        weights: one for each member; they sum to 1.
        cross_entropy_nats: mean nats per token.
        perplexity: exp of it.
    """

    weights: list[float]
    cross_entropy_nats: float
    perplexity: float

    @property
    def counting(self) -> list[int]:
        """The members that count, by place; a single one makes no mixture."""
        return [place for place, weight in enumerate(self.weights) if weight >= LEAST_WEIGHT]

    @classmethod
    def tuned(cls, scores: Sequence[ValidScores]) -> Mixture:
        """The weights that make the validation text most probable.

        Raises:
            DataError: no token of it is possible for any member.
        """
        weights = tune_weights([each.log_probs for each in scores])
        with np.errstate(divide="ignore"):
            weighted = [np.log(weight) + each.log_probs for weight, each in zip(weights, scores, strict=True)]
        cross_entropy = float(-np.logaddexp.reduce(weighted).mean())
        return cls(weights, cross_entropy, perplexity_of(cross_entropy))


def write_mixture(
    folder: Path,
    members: Sequence[Bundle],
    mixture: Mixture,
    metrics: dict[str, Any],
    *,
    corpus: CorpusSummary | None,
    training: TrainingSummary | None,
) -> Bundle:
    """Write the bundle of a mixture around its members.

    Args:
        folder: where `members/0`, `members/1` and so on are already.
        members: opened there; the first lends the mixture its text recipe, spelling model and configuration.
        mixture: the weights.
        metrics: the content of metrics.json.
        corpus: what all of them were estimated from; None if it is not the same.
        training: of the network among them, if there is one.
    """
    first = members[0]
    draft = Draft(
        TextFiles.of_bundle(first),
        families.combining().combine(first.record.sizes.vocabulary_size, mixture.weights),
        first.read(CONFIG),
        corpus=corpus,
        training=training,
        metrics=metrics,
        members=len(members),
    )
    return draft.write(folder)
