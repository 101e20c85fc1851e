"""Mixtures: the weights of the members, and the bundle that contains the members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import families
from lmctl.deadline import NEVER
from lmctl.families.interpolation import tune_weights
from lmctl.perplexity import perplexity_of
from lmctl.store.draft import Draft
from lmctl.store.layout import CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.arrays import Float64Array
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.validating import ValidScores
    from lmctl.store.bundle import Bundle
    from lmctl.store.draft import TextFiles
    from lmctl.store.model_record import CorpusSummary, TrainingSummary

# A member with less weight than this is left out, unless the text costs as many nats per token more without it: it
# may be the only one for which a token is possible.
LEAST_WEIGHT = LARGEST_LOSS_NATS = 0.0005


@dataclass(frozen=True, slots=True)
class Mixture:
    """Weights of members, and figures of the mixture on the text that the weights were tuned on.

    Attributes:
        weights: one weight for each member; they sum to 1.
        cross_entropy_nats: mean nats per token.
        perplexity: exp of the cross-entropy.
        counting: positions of the members that are not left out; a single one makes no mixture.
    """

    weights: list[float]
    cross_entropy_nats: float
    perplexity: float
    counting: list[int]

    @classmethod
    def tuned(cls, scores: Sequence[ValidScores], deadline: Deadline = NEVER) -> Mixture:
        """The weights that make the validation text most probable.

        Args:
            scores: the scores of each member, of the same tokens.
            deadline: see `tune_weights`.

        Raises:
            DataError: every member gives every token of the text probability 0.
        """
        weights = tune_weights([each.log_probs for each in scores], deadline)
        with np.errstate(divide="ignore"):
            weighted = [np.log(weight) + each.log_probs for weight, each in zip(weights, scores, strict=True)]
        log_probs = np.logaddexp.reduce(weighted)
        cross_entropy = float(-log_probs.mean())
        possible = log_probs > -np.inf
        counting = _counting(weights, [each[possible] for each in weighted])
        return cls(weights, cross_entropy, perplexity_of(cross_entropy), counting)


def _counting(weights: Sequence[float], weighted: Sequence[Float64Array]) -> list[int]:
    """The positions of the members that are not left out.

    Args:
        weights: the weight of each member.
        weighted: for each member, the natural log of its weighted probability of every possible token, (N,).
    """
    whole = np.logaddexp.reduce(weighted).mean()
    counting = list(range(len(weights)))
    for member in sorted(counting, key=weights.__getitem__):
        others = [other for other in counting if other != member]
        if weights[member] >= LEAST_WEIGHT or not others:
            break
        without = np.logaddexp.reduce([weighted[other] for other in others]).mean()
        without -= np.log(sum(weights[other] for other in others))
        if whole - without < LARGEST_LOSS_NATS:
            counting = others
    return counting


def write_mixture(
    folder: Path,
    members: Sequence[Bundle],
    mixture: Mixture,
    metrics: dict[str, Any],
    *,
    text: TextFiles,
    corpus: CorpusSummary | None,
    training: TrainingSummary | None,
) -> Bundle:
    """Write the bundle of a mixture around its members.

    Args:
        folder: folder of the bundle, with `members/0`, `members/1` and so on in it.
        members: the members' bundles. The configuration is taken from the first one.
        mixture: the weights.
        metrics: content of metrics.json.
        text: text recipe, vocabulary and spelling model of the mixture.
        corpus: summary of the corpus of all members; None if their corpora differ.
        training: summary of the training of a network among the members; None if there is none.
    """
    size = text.vocabulary.count(b"\n")  # A line for each word.
    draft = Draft(
        text,
        families.combining().combine(size, mixture.weights),
        members[0].read(CONFIG),
        corpus=corpus,
        training=training,
        metrics=metrics,
        members=len(members),
    )
    return draft.write(folder)
