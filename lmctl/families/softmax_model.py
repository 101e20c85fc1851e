"""A language model in NumPy whose distribution is a softmax of the features of a context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.base import LanguageModel, Scores, State
from lmctl.layers.embedding import WordVectors
from lmctl.layers.softmax import make_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.layers.word_layers import WordLayers


class SoftmaxLanguageModel(LanguageModel[State]):
    """The runtime of a network with an embedding and a softmax.

    A family implements `null_state`, `advance`, `features` and `advance_with_features`.

    Args:
        layers: the sizes of embedding and softmax.
        weights: by name, float32.

    Attributes:
        embedding: the word vectors of the input.
        softmax: of the features, (N, H).
    """

    has_features = True
    has_word_vectors = True

    def __init__(self, layers: WordLayers, weights: Mapping[str, Float32Array]) -> None:
        self.vocabulary_size = layers.vocabulary_size
        self.embedding = WordVectors("embedding", layers.input_clusters, weights)
        self.softmax = make_softmax(layers, self.embedding, weights)

    def word_vectors(self) -> Float32Array:
        """The vectors of the input, (V, E)."""
        return self.embedding(np.arange(self.vocabulary_size))

    def log_probs(self, state: State) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        return self.softmax.log_probs(self.features(state))

    def top_k(self, state: State, k: int, allowed: BoolArray | None = None) -> tuple[IntArray, Float32Array]:
        """See `LanguageModel.top_k`; an adaptive softmax leaves out the clusters that cannot matter."""
        return self.softmax.top_k(self.features(state), k, allowed)

    def sample(self, state: State, uniforms: Float64Array, excluded: int) -> tuple[IntArray, Float32Array]:
        """See `LanguageModel.sample`; an adaptive softmax computes only the clusters that words are drawn from."""
        return self.softmax.sample(self.features(state), uniforms, excluded)

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: State,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, State]:
        """See `LanguageModel.score`."""
        along, state = self.advance_with_features(state, inputs, lengths)
        present = np.arange(len(inputs))[:, None] < lengths
        log_probs = np.zeros(inputs.shape, dtype=np.float64)
        target_ranks = np.zeros(inputs.shape, dtype=np.int64) if ranks else None
        found, found_ranks = self.softmax.score(along[present], targets[present], ranks=ranks)
        log_probs[present] = found
        if target_ranks is not None and found_ranks is not None:
            target_ranks[present] = found_ranks
        return Scores(log_probs, target_ranks, along if features else None), state

    def advance_with_log_probs(
        self, state: State, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, State]:
        """See `LanguageModel.advance_with_log_probs`."""
        along, state = self.advance_with_features(state, token_ids, lengths)
        log_probs = self.softmax.log_probs(along.reshape(-1, along.shape[2]))
        return log_probs.reshape(*token_ids.shape, self.vocabulary_size), state
