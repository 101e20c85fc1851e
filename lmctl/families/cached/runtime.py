"""A cache model in NumPy: recent words of the text become more probable.

The cache (Grave, Joulin & Usunier 2017, arXiv:1612.04426) is a distribution over the recent words, mixed with the
model:

    p_cache(w) = sum of the votes of the remembered words that are w / sum of all votes
    p(w) = (1 - weight) p_model(w) + weight p_cache(w)

families/cached/memory.py computes the votes. Every token is remembered, `<unk>` and `</s>` too, as in published
figures. So p_cache is a distribution over the same tokens as p_model. As long as nothing is remembered, p is
p_model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.base import LanguageModel, Scores
from lmctl.families.cached.memory import Memory, make_unit_vectors
from lmctl.layers.products import sums_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.cached.memory import Affinities, Reading
    from lmctl.families.cached.parameters import CacheParameters


@dataclass(frozen=True, slots=True)
class CacheState:
    """The state of the model, and the memory of each of the B columns."""

    model: Any
    memories: tuple[Memory, ...]


class CachedLanguageModel(LanguageModel[CacheState]):
    """A language model mixed with a cache.

    Args:
        model: the language model.
        parameters: mixture weight and theta.
        size: number of words that are remembered, 1 or more.
    """

    def __init__(self, model: LanguageModel[Any], parameters: CacheParameters, size: int) -> None:
        self.model = model
        self.parameters = parameters
        self.size = size
        self.vocabulary_size = model.vocabulary_size
        self.has_features = model.has_features
        self.has_word_vectors = model.has_word_vectors

    def for_many_columns(self) -> CachedLanguageModel:
        """See `LanguageModel.for_many_columns`: the form for many columns of the model, with the same cache."""
        return CachedLanguageModel(self.model.for_many_columns(), self.parameters, self.size)

    def ngram_model(self) -> LanguageModel[Any] | None:
        """That of the model, without the cache."""
        return self.model.ngram_model()

    def null_state(self, batch: int) -> CacheState:
        """The null state of the model, with empty memories."""
        state = self.model.null_state(batch)
        memory = Memory.empty(contexts_of(self.model, state, batch).shape[1])
        return CacheState(state, (memory,) * batch)

    def advance(self, state: CacheState, token_ids: IntArray, lengths: IntArray | None = None) -> CacheState:
        """See `LanguageModel.advance`. The memory is copied once for each call, not for each token."""
        if self.has_features:
            return self.advance_with_features(state, token_ids, lengths)[1]
        model_state = self.model.advance(state.model, token_ids, lengths)
        readings = self._readings(state, token_ids, lengths, None)
        return CacheState(model_state, tuple(reading.memory() for reading in readings))

    def select_columns(self, state: CacheState, columns: IntArray) -> CacheState:
        """See `LanguageModel.select_columns`."""
        memories = tuple(state.memories[column] for column in columns.tolist())
        return CacheState(self.model.select_columns(state.model, columns), memories)

    def join(self, states: Sequence[CacheState]) -> CacheState:
        """See `LanguageModel.join`."""
        model_state = self.model.join([state.model for state in states])
        return CacheState(model_state, tuple(memory for state in states for memory in state.memories))

    def log_probs(self, state: CacheState) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        log_probs = self.model.log_probs(state.model).copy()
        queries = contexts_of(self.model, state.model, len(state.memories))
        for column, memory in enumerate(state.memories):
            affinities = memory.affinities_to(queries[column], self.size)
            log_probs[[column]] = self._mixed_distributions(log_probs[[column]], affinities)
        return log_probs

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: CacheState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, CacheState]:
        """See `LanguageModel.score`."""
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        scores, model_state = self.model.score(
            inputs, targets, lengths, state.model, features=features or self.has_features
        )
        log_probs = scores.log_probs.copy()
        memories = []
        for column, reading in enumerate(self._readings(state, inputs, lengths, scores.features)):
            there = slice(0, len(reading.ends))
            (of_cache,) = reading.log_probs(targets[there, column], [self.parameters.theta])
            of_model = log_probs[there, column]
            with_cache = mixed(of_model, of_cache, self.parameters.weight)
            log_probs[there, column] = np.where(reading.remembering, with_cache, of_model)
            memories.append(reading.memory())
        wanted = scores.features if features else None
        return Scores(log_probs, None, wanted), CacheState(model_state, tuple(memories))

    def advance_with_log_probs(
        self, state: CacheState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, CacheState]:
        """See `LanguageModel.advance_with_log_probs`."""
        log_probs, model_state = self.model.advance_with_log_probs(state.model, token_ids, lengths)
        features = None
        if self.has_features:
            features, _ = self.model.advance_with_features(state.model, token_ids, lengths)
        memories = []
        for column, reading in enumerate(self._readings(state, token_ids, lengths, features)):
            for rows, affinities in reading.blocks():
                log_probs[rows, column] = self._mixed_distributions(log_probs[rows, column], affinities)
            memories.append(reading.memory())
        return log_probs, CacheState(model_state, tuple(memories))

    def word_vectors(self) -> Float32Array:
        """The word vectors of the model, (V, E)."""
        return self.model.word_vectors()

    def features(self, state: CacheState) -> Float32Array:
        """The features of the model, (B, H)."""
        return self.model.features(state.model)

    def advance_with_features(
        self, state: CacheState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, CacheState]:
        """See `LanguageModel.advance_with_features`. The features are those of the model."""
        features, model_state = self.model.advance_with_features(state.model, token_ids, lengths)
        readings = self._readings(state, token_ids, lengths, features)
        return features, CacheState(model_state, tuple(reading.memory() for reading in readings))

    def sentence_vectors(self, token_ids: IntArray, lengths: IntArray) -> Float32Array:
        """The vectors of sentences of the model, (B, D)."""
        return self.model.sentence_vectors(token_ids, lengths)

    def _readings(
        self, state: CacheState, token_ids: IntArray, lengths: IntArray | None, features: Float32Array | None
    ) -> Iterator[Reading]:
        """One `Reading` for each column.

        Args:
            state: the state before the first token.
            token_ids: (T, B).
            lengths: number of tokens of each column, (B,); None: T.
            features: features of the model after every token, (T, B, H); None: the model has no features.
        """
        steps, batch = token_ids.shape
        before = contexts_of(self.model, state.model, batch)
        after = np.zeros((steps, batch, 0), np.float32) if features is None else features
        ends = [steps] * batch if lengths is None else lengths.tolist()
        for column, (memory, end) in enumerate(zip(state.memories, ends, strict=True)):
            contexts = np.concatenate([before[None, column], after[:end, column]])
            make_unit_vectors(contexts)
            yield memory.reading(contexts, token_ids[:end, column], self.size)

    def _mixed_distributions(self, log_probs: Float32Array, affinities: Affinities) -> Float32Array:
        """Mix the log probabilities of the model, (T, V), with the cache; natural logs of all words, (T, V)."""
        votes = affinities.votes(self.parameters.theta)
        totals = sums_in_order(votes)
        words, places = np.unique(affinities.words, return_inverse=True)
        # A word that is not remembered has only its share of the model. The sum is in float64, as in `mixed`: a
        # word that only other queries of the block remember must not be rounded in another way.
        with_cache = np.empty_like(log_probs)
        np.add(log_probs, np.log1p(-self.parameters.weight), out=with_cache, dtype=np.float64, casting="same_kind")
        for row, total in enumerate(totals):
            if total:
                with np.errstate(divide="ignore"):
                    of_cache = np.log(np.bincount(places, votes[row], minlength=len(words)) / total)
                with_cache[row, words] = mixed(log_probs[row, words], of_cache, self.parameters.weight)
            else:
                with_cache[row] = log_probs[row]
        return with_cache


def mixed(of_model: Float32Array | Float64Array, of_cache: Float64Array, weight: float) -> Float64Array:
    """log((1 - weight) p_model + weight p_cache), given the natural logs of both probabilities, of any shape."""
    with np.errstate(divide="ignore"):
        both: Float64Array = np.logaddexp(of_model + np.log1p(-weight), of_cache + np.log(weight))
    return both


def contexts_of(model: LanguageModel[Any], state: Any, batch: int) -> Float32Array:
    """The vectors that a cache compares: the features of the model, (B, H); (B, 0) if it has no features."""
    return model.features(state) if model.has_features else np.zeros((batch, 0), dtype=np.float32)
