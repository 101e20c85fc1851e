"""A mixture of language models over one vocabulary, in NumPy.

Linear interpolation, p(w | context) = sum_i w_i p_i(w | context) (Jelinek & Mercer 1980).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.base import LanguageModel, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float32Array, Float64Array, IntArray

# Below this probability, exp() and log() lose digits of float64 numbers.
SMALLEST_EXACT = 1e-290

MixtureState = tuple[Any, ...]


class MixtureLanguageModel(LanguageModel[MixtureState]):
    """A mixture. Its state is a tuple of the states of its members.

    `top_k` computes whole distributions, because the k most probable words of a mixture need not be among the k
    most probable words of any member.

    Args:
        members: two or more models over the same vocabulary.
        weights: the mixture weight of each member; their sum is 1.
    """

    def __init__(self, members: Sequence[LanguageModel[Any]], weights: Sequence[float]) -> None:
        self.members = tuple(members)
        self.weights = tuple(weights)
        self.vocabulary_size = self.members[0].vocabulary_size
        lengths = [member.context_length for member in self.members]
        bounded = [length for length in lengths if length is not None]
        self.context_length = max(bounded) if len(bounded) == len(lengths) else None
        with np.errstate(divide="ignore"):
            self._log_weights = np.log(np.array(weights, dtype=np.float64))
        with_features = [place for place, member in enumerate(self.members) if member.has_features]
        self.has_features = bool(with_features)
        self.has_word_vectors = any(member.has_word_vectors for member in self.members)
        # The features of the mixture are those of its first member that has any: they suffice to compare contexts.
        self._featured = with_features[0] if with_features else 0

    def for_many_columns(self) -> MixtureLanguageModel:
        """See `LanguageModel.for_many_columns`: a mixture of the members' forms for many columns."""
        return MixtureLanguageModel([member.for_many_columns() for member in self.members], self.weights)

    def ngram_model(self) -> LanguageModel[Any] | None:
        """That of the first member that has one."""
        return next(filter(None, (member.ngram_model() for member in self.members)), None)

    def null_state(self, batch: int) -> MixtureState:
        """The null state of every member."""
        return tuple(member.null_state(batch) for member in self.members)

    def advance(self, state: MixtureState, token_ids: IntArray, lengths: IntArray | None = None) -> MixtureState:
        """See `LanguageModel.advance`."""
        return tuple(
            member.advance(own, token_ids, lengths) for member, own in zip(self.members, state, strict=True)
        )

    def select_columns(self, state: MixtureState, columns: IntArray) -> MixtureState:
        """See `LanguageModel.select_columns`."""
        return tuple(member.select_columns(own, columns) for member, own in zip(self.members, state, strict=True))

    def join(self, states: Sequence[MixtureState]) -> MixtureState:
        """See `LanguageModel.join`."""
        return tuple(member.join(own) for member, own in zip(self.members, zip(*states, strict=True), strict=True))

    def log_probs(self, state: MixtureState) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        members = zip(self.members, state, strict=True)
        return self._mixed([member.log_probs(own) for member, own in members]).astype(np.float32)

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: MixtureState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, MixtureState]:
        """See `LanguageModel.score`. Without ranks, only the probabilities of the targets are computed."""
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        found = [
            member.score(inputs, targets, lengths, own, features=features and place == self._featured)
            for place, (member, own) in enumerate(zip(self.members, state, strict=True))
        ]
        present = np.arange(len(inputs))[:, None] < lengths
        log_probs = np.where(present, self._mixed([scores.log_probs for scores, _ in found]), 0.0)
        return (
            Scores(log_probs, None, found[self._featured][0].features),
            tuple(after for _, after in found),
        )

    def advance_with_log_probs(
        self, state: MixtureState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, MixtureState]:
        """See `LanguageModel.advance_with_log_probs`."""
        found = [
            member.advance_with_log_probs(own, token_ids, lengths)
            for member, own in zip(self.members, state, strict=True)
        ]
        mixed = self._mixed([log_probs for log_probs, _ in found])
        return mixed.astype(np.float32), tuple(after for _, after in found)

    def word_vectors(self) -> Float32Array:
        """The word vectors of the first member that has any, (V, E)."""
        return next(member for member in self.members if member.has_word_vectors).word_vectors()

    def features(self, state: MixtureState) -> Float32Array:
        """The features of the first member that has any, (B, H)."""
        return self.members[self._featured].features(state[self._featured])

    def advance_with_features(
        self, state: MixtureState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, MixtureState]:
        """See `LanguageModel.advance_with_features`. The features are those of the first member that has any."""
        features, after = self.members[self._featured].advance_with_features(
            state[self._featured], token_ids, lengths
        )
        others = (
            after if place == self._featured else member.advance(own, token_ids, lengths)
            for place, (member, own) in enumerate(zip(self.members, state, strict=True))
        )
        return features, tuple(others)

    def sentence_vectors(self, token_ids: IntArray, lengths: IntArray) -> Float32Array:
        """The vectors of sentences of the first member that has features, (B, D)."""
        return self.members[self._featured].sentence_vectors(token_ids, lengths)

    def _mixed(self, log_probs: Sequence[Float32Array | Float64Array]) -> Float64Array:
        """log(sum_i w_i p_i), given log p_i of each member i in arrays of one shape. log p_i may be -inf."""
        probs = np.zeros(log_probs[0].shape)
        for weight, of_member in zip(self.weights, log_probs, strict=True):
            probs += weight * np.exp(of_member, dtype=np.float64)
        with np.errstate(divide="ignore"):
            mixed: Float64Array = np.log(probs)
        # The exact sum of logarithms takes five times as long, so it is used only for tiny probabilities.
        tiny = probs < SMALLEST_EXACT
        if tiny.any():
            mixed[tiny] = self._mixed_tiny([of_member[tiny] for of_member in log_probs])
        return mixed

    def _mixed_tiny(self, log_probs: Sequence[Float32Array | Float64Array]) -> Float64Array:
        mixed: Float64Array = log_probs[0] + self._log_weights[0]
        for log_weight, of_member in zip(self._log_weights[1:], log_probs[1:], strict=True):
            np.logaddexp(mixed, of_member + log_weight, out=mixed)
        return mixed
