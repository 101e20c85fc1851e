"""Store the figures of a finished bundle, and tune the parameters of a cache for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lmctl import families
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.deadline import NEVER
from lmctl.errors import DataError, OutOfTimeError
from lmctl.jobs.watching.events import CacheTuned
from lmctl.query.tuning import tune_cache
from lmctl.store.layout import METRICS
from lmctl.store.writing import amend_bundle, encode_metrics

if TYPE_CHECKING:
    from lmctl.arrays import IntArray
    from lmctl.deadline import Deadline
    from lmctl.query.tuning import TunedCache
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

# Number of words in the cache while its parameters are tuned. The parameters suit other numbers, too.
CACHE_WORDS = 2000
# A cache that lowers the perplexity by a smaller share than this is not worth its time.
LEAST_GAIN = 0.001


def add_figures(
    bundle: Bundle,
    metrics: dict[str, Any],
    valid: IntArray,
    *,
    includes_oov: bool,
    deadline: Deadline = NEVER,
) -> CacheTuned | None:
    """Tune a cache for a bundle, and store its parameters and all figures in the bundle.

    Args:
        bundle: a bundle that is not published yet.
        metrics: content of metrics.json without `cache`.
        valid: token ids of the validation text, (tokens,).
        includes_oov: whether out-of-vocabulary words count.
        deadline: tuning is given up then.

    Returns:
        Figures of the cache; None if the text or the time is too short, or if the cache gains nothing.
    """
    try:
        with deadline.enforced("training.time_limit leaves no time for it"):
            tuned = _tune_cache(bundle, valid, includes_oov=includes_oov)
    except OutOfTimeError as error:
        logger.info("no cache was tuned: %s", error)
        tuned = None
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
        logger.info("no cache was tuned: it does not lower the perplexity of the validation text")
        return None
    return tuned
