"""The feed-forward language model in NumPy: the network of `families/feedforward/keras/network.py`, for answering.

    x = the vectors of the last n - 1 words side by side, the oldest first
    h = tanh(x K + b) + x D
    log P(w) = log softmax(h U + c)[w]

This is the model of Bengio, Ducharme, Vincent & Jauvin 2003 ("A neural probabilistic language model", JMLR 3).
Their direct connections go from the word vectors to the words' scores by a matrix W of their own, ((n - 1) E, V).
Here W is the product D U, which shares the word vectors U of the softmax: D goes to what the softmax reads. So the
softmax may be adaptive, tied, and behind a projection. The term x D is there if `direct_connections` is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.feedforward.sizes import FeedForwardSizes

# Contexts whose embedded words are held at once.
CONTEXTS_AT_ONCE = 1024


class FeedForwardLanguageModel(SoftmaxLanguageModel["IntArray"]):
    """Embedding, one hidden layer, softmax.

    The state holds the ids of the last n - 1 words, (n - 1, B), the oldest first. The id V stands for "no word",
    before the start of a text; its vector is the weight `padding`.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: FeedForwardSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self._padding = weights["padding"]
        self._kernel = ExactMatrix(weights["hidden.kernel"])
        self._bias = weights["hidden.bias"]
        self._direct = ExactMatrix(weights["direct.kernel"]) if sizes.direct_connections else None

    def null_state(self, batch: int) -> IntArray:
        """Padding alone."""
        return np.full((self.sizes.context_words, batch), self.vocabulary_size)

    def advance(self, state: IntArray, token_ids: IntArray, lengths: IntArray | None = None) -> IntArray:
        """See `LanguageModel.advance`."""
        text = np.concatenate([state, token_ids])
        ends = len(token_ids) if lengths is None else np.asarray(lengths)
        last: IntArray = np.take_along_axis(text, np.arange(len(state))[:, None] + ends, axis=0)
        return last

    def features(self, state: IntArray) -> Float32Array:
        """What the softmax reads, (B, H)."""
        return self._hidden(state.T)

    def advance_with_features(
        self, state: IntArray, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, IntArray]:
        """See `LanguageModel.advance_with_features`."""
        steps, batch = token_ids.shape
        # The context after token t ends with it.
        places = np.arange(steps)[:, None] + np.arange(1, len(state) + 1)
        contexts = np.concatenate([state, token_ids])[places].transpose(0, 2, 1)
        present = np.arange(steps)[:, None] < (np.full(batch, steps) if lengths is None else lengths)
        features = np.zeros((steps, batch, self.sizes.hidden_units), dtype=np.float32)
        features[present] = self._hidden(contexts[present])
        return features, self.advance(state, token_ids, lengths)

    def _hidden(self, contexts: IntArray) -> Float32Array:
        """What the softmax reads, (N, H), after contexts (N, n - 1)."""
        hidden = np.empty((len(contexts), self.sizes.hidden_units), dtype=np.float32)
        for first in range(0, len(contexts), CONTEXTS_AT_ONCE):
            rows = slice(first, first + CONTEXTS_AT_ONCE)
            inputs = self._embedded(contexts[rows])
            scores = self._kernel.times_rows(inputs)
            scores += self._bias
            np.tanh(scores, out=hidden[rows])
            if self._direct is not None:
                hidden[rows] += self._direct.times_rows(inputs)
        return hidden

    def _embedded(self, contexts: IntArray) -> Float32Array:
        """The vectors of contexts (N, n - 1) side by side, (N, (n - 1) E)."""
        is_padding = contexts == self.vocabulary_size
        vectors = self.embedding(np.where(is_padding, 0, contexts))
        vectors[is_padding] = self._padding
        return vectors.reshape(len(contexts), self.sizes.context_words * self.sizes.embedding_dim)
