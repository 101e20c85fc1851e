"""A network beside counting, and both together: who predicts the validation text best."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import families
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DataError
from lmctl.families.interpolation import tune_weights
from lmctl.jobs.watching.events import CacheTuned
from lmctl.query.tuning import tune_cache
from lmctl.store.draft import Draft, TextFiles
from lmctl.store.layout import CONFIG, METRICS
from lmctl.store.writing import amend_bundle, encode_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.arrays import IntArray
    from lmctl.jobs.train.validating import ValidScores
    from lmctl.query.tuning import TunedCache
    from lmctl.store.bundle import Bundle
    from lmctl.store.model_record import CorpusSummary, TrainingSummary

logger = logging.getLogger(__name__)

# How many words a cache remembers while its parameters are tuned; they hold for others, too.
CACHE_WORDS = 2000
# A cache that gains less than this share of the perplexity is not worth its time.
LEAST_GAIN = 0.001
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
        return cls(weights, cross_entropy, float(np.exp(cross_entropy)))


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


def add_figures(
    bundle: Bundle, metrics: dict[str, Any], valid: IntArray, *, includes_oov: bool
) -> CacheTuned | None:
    """Tune a cache for a bundle that nobody reads yet, and store its parameters and all figures there.

    Args:
        bundle: which is not published yet.
        metrics: the content of metrics.json but for `cache`.
        valid: the ids of the validation text, (tokens,).
        includes_oov: whether OOVs count.

    Returns:
        What a cache is good for; None if the text is too short, or it helps nothing.
    """
    tuned = _tune_cache(bundle, valid, includes_oov=includes_oov)
    figures = None
    if tuned is not None:
        figures = CacheTuned(
            words=CACHE_WORDS,
            tokens=tuned.tokens,
            perplexity_without=tuned.perplexity_without,
            perplexity=tuned.perplexity,
            includes_oov=includes_oov,
        )
    content = encode_metrics(metrics | {"cache": figures})
    amend_bundle(bundle, {METRICS: content}, cache=None if tuned is None else tuned.parameters)
    return figures


def _tune_cache(bundle: Bundle, valid: IntArray, *, includes_oov: bool) -> TunedCache | None:
    if not len(valid):
        return None
    language_model = families.load_language_model(bundle)
    try:
        tuned = tune_cache(language_model, valid, CACHE_WORDS, left_out=None if includes_oov else UNKNOWN_ID)
    except DataError as error:
        logger.info("no cache was tuned: %s", error)
        return None
    if not tuned.perplexity < tuned.perplexity_without * (1 - LEAST_GAIN):
        logger.info("no cache was tuned: on the validation text it gains nothing")
        return None
    return tuned
