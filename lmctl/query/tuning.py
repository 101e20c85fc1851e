"""The parameters with which a cache helps a model most on a text that was held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.families.cached.memory import Memory
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import contexts_of, mixed
from lmctl.families.interpolation import tune_weights
from lmctl.perplexity import perplexity_of
from lmctl.query.batching import blocks_of_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.families.cached.memory import Reading

# A cache is tuned on the beginning of the text: features of so many tokens are held at once.
CACHE_TOKENS = 50_000
# Thetas of a cache that compares unit vectors, and of one that forgets within 1 / theta tokens.
THETAS_OF_FEATURES = tuple(2.0**exponent for exponent in range(-1, 8))
THETAS_OF_AGES = tuple(2.0**-exponent for exponent in range(-1, 14))
# However well a text repeats itself, words that are not remembered stay possible.
LARGEST_CACHE_WEIGHT = 0.99
# The best theta is looked for again between its neighbours, so often; each time this many steps are in a step.
REFINEMENTS = 2
STEPS_IN_A_STEP = 3


@dataclass(frozen=True, slots=True)
class TunedCache:
    """Parameters of a cache, and what they are good for on the text they were tuned on.

    Attributes:
        parameters: the best that were found.
        tokens: how many tokens of the text counted.
        perplexity_without: the model's own.
        perplexity: with the cache.
    """

    parameters: CacheParameters
    tokens: int
    perplexity_without: float
    perplexity: float


def tune_cache(
    model: LanguageModel[Any], token_ids: IntArray, size: int, *, left_out: int | None = None
) -> TunedCache:
    """The parameters with which a cache helps a model most on a text, read from its start as one stream.

    Args:
        model: without the cache.
        token_ids: the text, sentences ending with `</s>`, (N,); the first `CACHE_TOKENS` of them are read.
        size: how many words the cache remembers.
        left_out: a token that does not count where it is to be predicted: `<unk>`, where it was not trained.

    Raises:
        DataError: the text has fewer than two tokens: nothing is ever remembered.
    """
    targets = token_ids[:CACHE_TOKENS].astype(np.int64)
    if len(targets) < 2:
        raise DataError(f"a text of {len(targets)} tokens is too short to tune a cache on; expected 2 or more")
    # The state is carried: a sentence starts from the end of the one before.
    inputs = np.concatenate([[SENTENCE_END_ID], targets[:-1]])
    of_model, contexts = _read(model, inputs, targets)
    reading = Memory.empty(contexts.shape[1]).reading(contexts, inputs, size)
    counts = targets != left_out if left_out is not None else np.ones(len(targets), dtype=bool)
    if not (counts & reading.remembering).any():
        raise DataError("no token of the text counts: there is nothing to tune a cache on")
    grid = THETAS_OF_FEATURES if model.has_features else THETAS_OF_AGES
    progress.tell("tuning a cache", 0, 1 + REFINEMENTS)
    best = _best_cache(reading, of_model, targets, counts, grid)
    step = 2.0
    for refinement in range(REFINEMENTS):
        progress.tell("tuning a cache", 1 + refinement, 1 + REFINEMENTS)
        step **= 1.0 / STEPS_IN_A_STEP
        around = [exponent for exponent in range(1 - STEPS_IN_A_STEP, STEPS_IN_A_STEP) if exponent]
        thetas = [best.parameters.theta * step**exponent for exponent in around]
        best = min(
            best, _best_cache(reading, of_model, targets, counts, thetas), key=lambda tuned: tuned.perplexity
        )
    return best


def _read(model: LanguageModel[Any], inputs: IntArray, targets: IntArray) -> tuple[Float64Array, Float32Array]:
    """Log probability of each target, (N,), and the context before the first input and after each, (N + 1, H)."""
    state = model.null_state(1)
    log_probs, contexts = [], [contexts_of(model, state, 1)]
    for block in blocks_of_time(len(inputs), 1):
        progress.tell("reading the text for a cache", block.start, len(inputs))
        scores, state = model.score(
            inputs[block, None],
            targets[block, None],
            np.array([block.stop - block.start]),
            state,
            features=model.has_features,
        )
        log_probs.append(scores.log_probs[:, 0])
        none = np.zeros((len(scores.log_probs), 0), dtype=np.float32)
        contexts.append(none if scores.features is None else scores.features[:, 0])
    return np.concatenate(log_probs), np.concatenate(contexts)


def _best_cache(
    reading: Reading,
    of_model: Float64Array,
    targets: IntArray,
    counts: NDArray[np.bool_],
    thetas: Sequence[float],
) -> TunedCache:
    """The best of some thetas, each with the weight that is best for it."""
    found = []
    there = reading.remembering & counts
    for theta, of_cache in zip(thetas, reading.log_probs(targets, thetas), strict=True):
        weight = min(tune_weights([of_model[there], of_cache[there]])[1], LARGEST_CACHE_WEIGHT)
        parameters = CacheParameters(weight=weight, theta=theta)
        with_cache = np.where(there, mixed(of_model, of_cache, weight), of_model)
        found.append(
            TunedCache(
                parameters, int(counts.sum()), _perplexity(of_model[counts]), _perplexity(with_cache[counts])
            )
        )
    return min(found, key=lambda tuned: tuned.perplexity)


def _perplexity(log_probs: Float64Array) -> float:
    return perplexity_of(float(-log_probs.mean()))
