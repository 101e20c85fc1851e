"""The variational autoencoder in NumPy, for queries: a finite mixture of decoders, one for each fixed code.

The model is p(sentence) = sum over k of p(sentence | code k) / K, with the codes of `families/vae/codes.py`.
After some words of the sentence, code k has the posterior weight p(code k | words). The distribution of the next
word is the mean of the K distributions under these weights, which is exact and normalised.
`families/vae/keras/network.py` computes the same in Keras, for validation.

Axes: T time, B batch, K codes, Z elements of a code, E embedding, H hidden units, L layers of the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.vae.codes import fixed_codes
from lmctl.families.vae.decoder import Decoder
from lmctl.families.vae.encoder import Encoder
from lmctl.layers.embedding import WordVectors
from lmctl.layers.products import sums_in_order
from lmctl.layers.softmax import make_softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.families.vae.sizes import VAESizes


@dataclass(frozen=True, slots=True)
class VAEState:
    """The decoder under every code, and the posterior weights of the codes.

    Attributes:
        hidden: output of every layer, (L, B, K, H).
        cell: cell of every layer, (L, B, K, H).
        log_weights: natural log of the posterior weight of each code, (B, K).
    """

    hidden: Float32Array
    cell: Float32Array
    log_weights: Float64Array


class VAELanguageModel(LanguageModel[VAEState]):
    """A finite mixture of K decoders, each an LSTM that reads words and one of the codes.

    Every word multiplies the weight of a code by its probability under the code. At `</s>` the code is drawn anew:
    the weights become equal, and the decoders under all codes go on from one state, the mean of their states under
    the weights before. So the next sentence depends on the sentences before it through this state alone. A text
    that starts in the middle has a code like a sentence, from the null state on.

    Args:
        sizes: the dimensions.
        weights: by the names of `weight_shapes(sizes)`, float32.

    Attributes:
        embedding: the word vectors of the input, for encoder and decoder.
        encoder: the posterior distribution of a sentence's code. Next-word queries do not use it.
        decoder: the layers that read words and a code.
        softmax: of the outputs of the decoder's last layer, (N, H).
    """

    has_features = True
    has_word_vectors = True

    def __init__(self, sizes: VAESizes, weights: Mapping[str, Float32Array]) -> None:
        layers = sizes.word_layers
        self.vocabulary_size = sizes.vocabulary_size
        self.sizes = sizes
        self.embedding = WordVectors("embedding", layers.input_clusters, weights)
        self.softmax = make_softmax(layers, self.embedding, weights)
        self.decoder = Decoder(sizes, self.embedding, weights)
        self.encoder = Encoder(self.embedding, weights)
        self._code_scores = self.decoder.of_codes(fixed_codes(sizes.codes, weights))

    def null_state(self, batch: int) -> VAEState:
        """See `LanguageModel.null_state`: zeros in every layer, and equal weights."""
        sizes = self.sizes
        zeros = np.zeros((sizes.layers, batch, sizes.codes, sizes.hidden_units), dtype=np.float32)
        return VAEState(zeros, zeros, np.full((batch, sizes.codes), -np.log(sizes.codes)))

    def advance(self, state: VAEState, token_ids: IntArray, lengths: IntArray | None = None) -> VAEState:
        """See `LanguageModel.advance`."""
        scores = self.decoder.of_words(token_ids)
        for step, words in enumerate(token_ids):
            after = self._read(state, words, scores[step], self._log_likelihoods(state, words))
            state = after if lengths is None else _unless(step >= lengths, state, after)
        return state

    def select_columns(self, state: VAEState, columns: IntArray) -> VAEState:
        """See `LanguageModel.select_columns`."""
        return VAEState(state.hidden[:, columns], state.cell[:, columns], state.log_weights[columns])

    def join(self, states: Sequence[VAEState]) -> VAEState:
        """See `LanguageModel.join`."""
        return VAEState(
            np.concatenate([state.hidden for state in states], axis=1),
            np.concatenate([state.cell for state in states], axis=1),
            np.concatenate([state.log_weights for state in states]),
        )

    def log_probs(self, state: VAEState) -> Float32Array:
        """See `LanguageModel.log_probs`: the mean of the distributions under the posterior weights."""
        batch = len(state.log_weights)
        log_probs = np.empty((batch, self.vocabulary_size), dtype=np.float32)
        for column in range(batch):
            of_codes = self.softmax.log_probs(state.hidden[-1, column])
            largest = of_codes.max(axis=0)
            total = np.zeros(self.vocabulary_size)
            # One code after the other: the order of this sum does not depend on the shapes of arrays.
            for weight, of_code in zip(np.exp(state.log_weights[column]), of_codes, strict=True):
                total += weight * np.exp(of_code - largest)
            log_probs[column] = largest + np.log(total)
        return log_probs

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: VAEState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, VAEState]:
        """See `LanguageModel.score`."""
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        log_probs = np.zeros(inputs.shape, dtype=np.float64)
        vectors = np.empty((*inputs.shape, self.sizes.hidden_units), dtype=np.float32) if features else None
        scores = self.decoder.of_words(inputs)
        likelihoods = None
        for step, (words, nexts) in enumerate(zip(inputs, targets, strict=True)):
            is_there = step < lengths
            # An input usually is the target before it, whose likelihoods are known.
            if likelihoods is None or not (words == targets[step - 1])[is_there].all():
                likelihoods = self._log_likelihoods(state, words)
            state = _unless(~is_there, state, self._read(state, words, scores[step], likelihoods))
            likelihoods = self._log_likelihoods(state, nexts)
            log_probs[step] = np.where(is_there, _log_sum_exp(state.log_weights + likelihoods), 0.0)
            if vectors is not None:
                vectors[step] = self.features(state)
        return Scores(log_probs, None, vectors), state

    def features(self, state: VAEState) -> Float32Array:
        """The mean of the last layer's outputs under the posterior weights, (B, H)."""
        return _means(state.log_weights, state.hidden[-1])

    def word_vectors(self) -> Float32Array:
        """See `LanguageModel.word_vectors`: the vectors of the input, (V, E)."""
        return self.embedding(np.arange(self.vocabulary_size))

    def sentence_vectors(self, token_ids: IntArray, lengths: IntArray) -> Float32Array:
        """See `LanguageModel.sentence_vectors`: the mean of the posterior distribution of the code, (B, Z).

        Bowman et al. 2016, section 2. The sentence is read from its first word to its `</s>`.
        """
        batch = len(lengths)
        whole = np.concatenate([token_ids, np.full((1, batch), SENTENCE_END_ID)])
        whole[lengths, np.arange(batch)] = SENTENCE_END_ID
        mean, _ = self.encoder.posterior(whole, lengths + 1)
        return mean

    def advance_with_features(
        self, state: VAEState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, VAEState]:
        """See `LanguageModel.advance_with_features`."""
        vectors = np.empty((*token_ids.shape, self.sizes.hidden_units), dtype=np.float32)
        for step, words in enumerate(token_ids):
            state = self.advance(state, words[None], None if lengths is None else np.clip(lengths - step, 0, 1))
            vectors[step] = self.features(state)
        return vectors, state

    def _read(self, state: VAEState, words: IntArray, scores: Float32Array, likelihoods: Float64Array) -> VAEState:
        """The state after one word.

        Args:
            state: the state before the word.
            words: token ids, (B,).
            scores: `Decoder.of_words` of the words, (B, 4H).
            likelihoods: `_log_likelihoods` of the words, (B, K).
        """
        log_weights = state.log_weights + likelihoods
        log_weights -= _log_sum_exp(log_weights)[:, None]
        (ended,) = np.nonzero(words == SENTENCE_END_ID)
        before_hidden, before_cell = state.hidden, state.cell
        if len(ended):
            before_hidden, before_cell = before_hidden.copy(), before_cell.copy()
            for states in (*before_hidden, *before_cell):
                states[ended] = _means(log_weights[ended], states[ended])[:, None]
            log_weights[ended] = -np.log(self.sizes.codes)
        gates = (scores[:, None] + self._code_scores).reshape(-1, scores.shape[1])
        rows = len(state.hidden), len(gates), state.hidden.shape[-1]
        hidden, cell = self.decoder.step(gates, before_hidden.reshape(rows), before_cell.reshape(rows))
        return VAEState(hidden.reshape(state.hidden.shape), cell.reshape(state.cell.shape), log_weights)

    def _log_likelihoods(self, state: VAEState, words: IntArray) -> Float64Array:
        """Natural log probability of the next word, (B,), under each code, (B, K)."""
        last = state.hidden[-1]
        found, _ = self.softmax.score(
            last.reshape(-1, last.shape[2]), np.repeat(words, self.sizes.codes), ranks=False
        )
        return found.reshape(last.shape[:2])


def _means(log_weights: Float64Array, vectors: Float32Array) -> Float32Array:
    """The means of vectors (B, K, H) under weights whose natural logs are (B, K), (B, H)."""
    weights = np.exp(log_weights)
    total = np.zeros((len(vectors), vectors.shape[2]))
    # One code after the other: the order of this sum does not depend on the shapes of arrays.
    for code in range(vectors.shape[1]):
        total += weights[:, code, None] * vectors[:, code]
    return total.astype(np.float32)


def _log_sum_exp(values: Float64Array) -> Float64Array:
    """log(sum(exp(row))) of each row of (B, K), (B,)."""
    largest = values.max(axis=1)
    return largest + np.log(sums_in_order(np.exp(values - largest[:, None])))  # type: ignore[no-any-return]


def _unless(ended: BoolArray, before: VAEState, after: VAEState) -> VAEState:
    """The state before in columns that have ended, (B,) bool, and the state after in the others."""
    if not ended.any():
        return after
    of_layers = ended[:, None, None]
    return VAEState(
        np.where(of_layers, before.hidden, after.hidden),
        np.where(of_layers, before.cell, after.cell),
        np.where(ended[:, None], before.log_weights, after.log_weights),
    )
