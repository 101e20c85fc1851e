"""The feed-forward language model in NumPy: the network of `families/feedforward/keras/network.py`, for queries.

    x = the vectors of the last n - 1 words side by side, the oldest first
    h = tanh(x K + b) + x D
    log P(w) = log softmax(h U + c)[w]

This is the model of Bengio, Ducharme, Vincent & Jauvin 2003 ("A neural probabilistic language model", JMLR 3).
Their direct connections go from the word vectors to the words' scores by a separate matrix W, ((n - 1) E, V). Here
W is the product D U: the direct connections D end at the input of the softmax, whose word vectors are U. So the
softmax may be adaptive, tied, and behind a projection. The term x D exists only if `direct_connections` is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.softmax_model import SoftmaxLanguageModel
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.feedforward.sizes import FeedForwardSizes
    from lmctl.layers.embedding import WordVectors

# Products of frequent words are stored after their first use: at most this many elements, 64 MiB as float32.
KEPT_NUMBERS = 1 << 24
# Largest number of elements of the products for a block of contexts: 32 MiB as float32.
NUMBERS_AT_ONCE = 1 << 23


class FeedForwardLanguageModel(SoftmaxLanguageModel["IntArray"]):
    """Embedding, one hidden layer, softmax.

    The state is the ids of the last n - 1 words, (n - 1, B), the oldest first. The id V is padding: there is no
    word before the start of a text. The vector of V is the weight `padding`.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: FeedForwardSizes, weights: Mapping[str, Float32Array]) -> None:
        super().__init__(sizes.word_layers, weights)
        self.sizes = sizes
        self.context_length = sizes.context_words
        self._bias = weights["hidden.bias"]
        self._products = _Products(sizes, self.embedding, weights)

    def null_state(self, batch: int) -> IntArray:
        """See `LanguageModel.null_state`: only padding."""
        return np.full((self.sizes.context_words, batch), self.vocabulary_size)

    def advance(self, state: IntArray, token_ids: IntArray, lengths: IntArray | None = None) -> IntArray:
        """See `LanguageModel.advance`."""
        text = np.concatenate([state, token_ids])
        ends = len(token_ids) if lengths is None else np.asarray(lengths)
        last: IntArray = np.take_along_axis(text, np.arange(len(state))[:, None] + ends, axis=0)
        return last

    def select_columns(self, state: IntArray, columns: IntArray) -> IntArray:
        """See `LanguageModel.select_columns`."""
        return state[:, columns]

    def join(self, states: Sequence[IntArray]) -> IntArray:
        """See `LanguageModel.join`."""
        return np.concatenate(states, axis=1)

    def features(self, state: IntArray) -> Float32Array:
        """See `LanguageModel.features`: the input of the softmax, (B, H)."""
        return self._hidden(state.T)

    def advance_with_features(
        self, state: IntArray, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, IntArray]:
        """See `LanguageModel.advance_with_features`."""
        steps, batch = token_ids.shape
        # The context after token t ends with token t.
        places = np.arange(steps)[:, None] + np.arange(1, len(state) + 1)
        contexts = np.concatenate([state, token_ids])[places].transpose(0, 2, 1)
        present = np.arange(steps)[:, None] < (np.full(batch, steps) if lengths is None else lengths)
        features = np.zeros((steps, batch, self.sizes.hidden_units), dtype=np.float32)
        features[present] = self._hidden(contexts[present])
        return features, self.advance(state, token_ids, lengths)

    def _hidden(self, contexts: IntArray) -> Float32Array:
        """The input of the softmax after contexts (N, n - 1), (N, H)."""
        units, words = self.sizes.hidden_units, self.sizes.context_words
        hidden = np.empty((len(contexts), units), dtype=np.float32)
        at_once = max(1, NUMBERS_AT_ONCE // (words * self._products.numbers))
        for first in range(0, len(contexts), at_once):
            rows = slice(first, first + at_once)
            ids, places = np.unique(contexts[rows], return_inverse=True)
            places = places.reshape(-1, words)
            products = self._products(ids)
            # The order is the same for every context, so a sum has the same bits in any batch.
            sums = products[places[:, 0], 0]
            for word in range(1, words):
                sums += products[places[:, word], word]
            np.tanh(sums[:, :units] + self._bias, out=hidden[rows])
            if self.sizes.direct_connections:
                hidden[rows] += sums[:, units:]
        return hidden


class _Products:
    """Computes the terms of words in the sums of hidden layer and direct connections, at each place in a context.

    Args:
        sizes: the dimensions of the network.
        embedding: the word vectors.
        weights: of the network.

    Attributes:
        numbers: number of elements for one word: n - 1 places times the columns of both kernels.
    """

    def __init__(
        self, sizes: FeedForwardSizes, embedding: WordVectors, weights: Mapping[str, Float32Array]
    ) -> None:
        self._embedding = embedding
        self._padding = weights["padding"]
        self._padding_id = sizes.vocabulary_size
        names = ["hidden.kernel", "direct.kernel"] if sizes.direct_connections else ["hidden.kernel"]
        # Both kernels are (n - 1, E, H). Their columns are side by side for every place.
        kernels = [weights[name].reshape(sizes.context_words, sizes.embedding_dim, -1) for name in names]
        by_place = np.concatenate(kernels, axis=2).transpose(1, 0, 2)
        self._shape = by_place.shape[1:]
        self._matrix = ExactMatrix(by_place.reshape(sizes.embedding_dim, -1))
        self.numbers = int(np.prod(self._shape))
        # Ids are in the order of falling frequency, so the first ids are frequent words. The last row is padding.
        self._frequent = min(sizes.vocabulary_size, KEPT_NUMBERS // self.numbers)
        self._kept = np.empty((self._frequent + 1, *self._shape), dtype=np.float32)
        self._is_kept = np.zeros(self._frequent + 1, dtype=bool)

    def __call__(self, ids: IntArray) -> Float32Array:
        """The products of distinct words (U,): (U, n - 1, H), or (U, n - 1, 2 H) with direct connections."""
        is_frequent = (ids < self._frequent) | (ids == self._padding_id)
        places = np.minimum(ids[is_frequent], self._frequent)
        missing = ~self._is_kept[places]
        if missing.any():
            self._kept[places[missing]] = self._of(ids[is_frequent][missing])
            self._is_kept[places[missing]] = True
        products = np.empty((len(ids), *self._shape), dtype=np.float32)
        products[is_frequent] = self._kept[places]
        if not is_frequent.all():
            products[~is_frequent] = self._of(ids[~is_frequent])
        return products

    def _of(self, ids: IntArray) -> Float32Array:
        """Compute the products of words (U,)."""
        is_padding = ids == self._padding_id
        vectors = self._embedding(np.where(is_padding, 0, ids))
        vectors[is_padding] = self._padding
        return self._matrix.times_rows(vectors).reshape(-1, *self._shape)
