"""Tunes the parameters of a cache model on held-out text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError, OutOfTimeError
from lmctl.families.cached.memory import Memory, make_unit_vectors
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

# A cache is tuned on the first tokens of the text, because their features must fit in memory.
CACHE_TOKENS = 50_000
# Thetas of a cache that compares unit vectors, and of one that forgets within 1 / theta tokens.
THETAS_OF_FEATURES = tuple(2.0**exponent for exponent in range(-1, 8))
THETAS_OF_AGES = tuple(2.0**-exponent for exponent in range(-1, 14))
# Below 1, so that words that are not in the cache keep a probability above 0.
LARGEST_CACHE_WEIGHT = 0.99
# The search for theta is refined this many times; each time, the step of the grid is divided by STEPS_IN_A_STEP.
REFINEMENTS = 2
STEPS_IN_A_STEP = 3


@dataclass(frozen=True, slots=True)
class TunedCache:
    """The parameters of a cache, and the perplexities on the text they were tuned on.

    Attributes:
        parameters: the best parameters that were found.
        tokens: number of tokens that the perplexities count.
        perplexity_without: perplexity of the model without the cache.
        perplexity: perplexity with the cache.
    """

    parameters: CacheParameters
    tokens: int
    perplexity_without: float
    perplexity: float


def tune_cache(
    model: LanguageModel[Any], token_ids: IntArray, size: int, *, left_out: int | None = None
) -> TunedCache:
    """Find the parameters of a cache that give a text the lowest perplexity.

    The text is read from its start as one stream. If a deadline that is enforced comes after all thetas of the
    first grid have been tried, the best of them is returned.

    Args:
        model: the model without a cache.
        token_ids: the text, sentences ending with `</s>`, (N,); the first `CACHE_TOKENS` tokens are read.
        size: number of words in the cache.
        left_out: a target that the perplexities do not count: `<unk>`, if it was not trained. None: all count.

    Raises:
        DataError: the text has fewer than two tokens, or no token counts.
        OutOfTimeError: a deadline that is enforced comes earlier than that.
    """
    targets = token_ids[:CACHE_TOKENS].astype(np.int64)
    if len(targets) < 2:
        raise DataError(f"a text of {len(targets)} tokens is too short to tune a cache on; expected 2 or more")
    # The state is carried, so the first input of a sentence is the end of the sentence before.
    inputs = np.concatenate([[SENTENCE_END_ID], targets[:-1]])
    of_model, contexts = _read(model, inputs, targets)
    reading = Memory.empty(contexts.shape[1]).reading(contexts, inputs, size)
    counts = targets != left_out if left_out is not None else np.ones(len(targets), dtype=bool)
    if not (counts & reading.remembering).any():
        raise DataError("no token of the text counts, so a cache cannot be tuned on it")
    grid = THETAS_OF_FEATURES if model.has_features else THETAS_OF_AGES
    best = _best_cache(reading, of_model, targets, counts, grid, "tuning a cache")
    step = 2.0
    for refinement in range(REFINEMENTS):
        activity = f"tuning a cache, refinement {refinement + 1} of {REFINEMENTS}"
        step **= 1.0 / STEPS_IN_A_STEP
        around = [exponent for exponent in range(1 - STEPS_IN_A_STEP, STEPS_IN_A_STEP) if exponent]
        thetas = [best.parameters.theta * step**exponent for exponent in around]
        try:
            refined = _best_cache(reading, of_model, targets, counts, thetas, activity)
        except OutOfTimeError:
            return best
        best = min(best, refined, key=lambda tuned: tuned.perplexity)
    return best


def _read(model: LanguageModel[Any], inputs: IntArray, targets: IntArray) -> tuple[Float64Array, Float32Array]:
    """Return the log probability of each target, (N,), and the contexts, (N + 1, H): features as unit vectors.

    The first context is the one before the first input, the others follow each input.
    """
    state = model.null_state(1)
    before = contexts_of(model, state, 1)
    log_probs, contexts = [], np.zeros((len(inputs) + 1, before.shape[1]), dtype=np.float32)
    contexts[:1] = before
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
        if scores.features is not None:
            contexts[block.start + 1 : block.stop + 1] = scores.features[:, 0]
    make_unit_vectors(contexts)
    return np.concatenate(log_probs), contexts


def _best_cache(
    reading: Reading,
    of_model: Float64Array,
    targets: IntArray,
    counts: NDArray[np.bool_],
    thetas: Sequence[float],
    activity: str,
) -> TunedCache:
    """Return the best of several thetas, each with the weight that is best for it."""
    found = []
    there = reading.remembering & counts
    for theta, of_cache in zip(thetas, reading.log_probs(targets, thetas, activity), strict=True):
        progress.tell(activity, len(targets), len(targets))
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
