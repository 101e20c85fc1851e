"""A model with a larger vocabulary than its own, so that models of different vocabularies can be mixed.

A word that the model does not know gets an equal share of the probability of its `<unk>`: the words that are new
to it, N of them, and `<unk>` itself get 1 / (N + 1) each. So every distribution sums to 1. In a context, the model
reads such a word as `<unk>`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.families.base import LanguageModel, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.corpus.vocabulary import Vocabulary


class JoinedLanguageModel(LanguageModel[Any]):
    """A model over another vocabulary, which has all its words. Its states are those of the model.

    Args:
        model: the model.
        own_ids: the model's id of each word of the vocabulary, (V,); `UNKNOWN_ID` if it does not know the word.

    Attributes:
        model: the model.
        own_ids: see above.
    """

    def __init__(self, model: LanguageModel[Any], own_ids: IntArray) -> None:
        self.model = model
        self.own_ids = own_ids
        self.vocabulary_size = len(own_ids)
        self.context_length = model.context_length
        self.has_features = model.has_features
        self.has_word_vectors = model.has_word_vectors
        shares_unknown = own_ids == UNKNOWN_ID
        self._log_shares = np.where(shares_unknown, -math.log(np.count_nonzero(shares_unknown)), 0.0)

    def for_many_columns(self) -> JoinedLanguageModel:
        """See `LanguageModel.for_many_columns`."""
        return JoinedLanguageModel(self.model.for_many_columns(), self.own_ids)

    def ngram_model(self) -> LanguageModel[Any] | None:
        """That of the model, over the other vocabulary."""
        ngrams = self.model.ngram_model()
        return None if ngrams is None else JoinedLanguageModel(ngrams, self.own_ids)

    def null_state(self, batch: int) -> Any:
        """See `LanguageModel.null_state`."""
        return self.model.null_state(batch)

    def advance(self, state: Any, token_ids: IntArray, lengths: IntArray | None = None) -> Any:
        """See `LanguageModel.advance`."""
        return self.model.advance(state, self.own_ids[token_ids], lengths)

    def select_columns(self, state: Any, columns: IntArray) -> Any:
        """See `LanguageModel.select_columns`."""
        return self.model.select_columns(state, columns)

    def join(self, states: Sequence[Any]) -> Any:
        """See `LanguageModel.join`."""
        return self.model.join(states)

    def log_probs(self, state: Any) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        return self._shared(self.model.log_probs(state))

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: Any,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, Any]:
        """See `LanguageModel.score`."""
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        scores, state = self.model.score(
            self.own_ids[inputs], self.own_ids[targets], lengths, state, features=features
        )
        present = np.arange(len(inputs))[:, None] < lengths
        log_probs = scores.log_probs + np.where(present, self._log_shares[targets], 0.0)
        return Scores(log_probs, None, scores.features, ngram_lengths=scores.ngram_lengths), state

    def advance_with_log_probs(
        self, state: Any, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, Any]:
        """See `LanguageModel.advance_with_log_probs`."""
        log_probs, state = self.model.advance_with_log_probs(state, self.own_ids[token_ids], lengths)
        return self._shared(log_probs), state

    def word_vectors(self) -> Float32Array:
        """See `LanguageModel.word_vectors`. Words that the model does not know have the vector of `<unk>`."""
        return self.model.word_vectors()[self.own_ids]

    def features(self, state: Any) -> Float32Array:
        """See `LanguageModel.features`."""
        return self.model.features(state)

    def advance_with_features(
        self, state: Any, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, Any]:
        """See `LanguageModel.advance_with_features`."""
        return self.model.advance_with_features(state, self.own_ids[token_ids], lengths)

    def sentence_vectors(self, token_ids: IntArray, lengths: IntArray) -> Float32Array:
        """See `LanguageModel.sentence_vectors`."""
        return self.model.sentence_vectors(self.own_ids[token_ids], lengths)

    def _shared(self, log_probs: Float32Array) -> Float32Array:
        """Log probabilities (..., V) from those of the model's own words."""
        found: Float32Array = (log_probs[..., self.own_ids] + self._log_shares).astype(np.float32)
        return found


def join_vocabulary(model: LanguageModel[Any], own: Vocabulary, joined: Vocabulary) -> LanguageModel[Any]:
    """The model over a vocabulary that has all its words; the model itself if the words are the same."""
    if own.words == joined.words:
        return model
    ids = dict(zip(own.words, range(len(own.words)), strict=True))
    return JoinedLanguageModel(model, np.array([ids.get(word, UNKNOWN_ID) for word in joined.words]))
