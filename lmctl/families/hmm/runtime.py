"""The hidden Markov model in NumPy: the network of `families/hmm/keras/network.py`, for queries.

The state of a query is the filtered distribution: the probability of each hidden state given the words so far. It
is the forward variable of Rabiner 1989, "A tutorial on hidden Markov models and selected applications in speech
recognition", section III.A, normalised. After a word, only the K states of the word's block are possible, so the
state is the block and K numbers.

Axes: B batch, M blocks, K states of a block, Z = M K states, V vocabulary, E embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.base import LanguageModel, Scores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.families.hmm.sizes import HMMSizes


@dataclass(frozen=True, slots=True)
class HMMState:
    """The filtered distribution over hidden states.

    Attributes:
        block: the block of the last word, (B,); M before any word.
        log_probs: natural logs of the probabilities of the block's states, (B, K).
    """

    block: IntArray
    log_probs: Float64Array


class HMMLanguageModel(LanguageModel[HMMState]):
    """Transitions between states, and emissions of words by the states of their block.

    Args:
        sizes: the dimensions.
        weights: by the names of `weight_shapes(sizes)`, float32.

    Raises:
        ValueError: a word has no block.
    """

    has_features = True
    has_word_vectors = True

    def __init__(self, sizes: HMMSizes, weights: Mapping[str, Float32Array]) -> None:
        self.vocabulary_size = sizes.vocabulary_size
        self.sizes = sizes
        self._weights = weights
        blocks = weights["words.block"]
        if not (np.isin(blocks, np.arange(sizes.blocks))).all():
            raise ValueError(f"weight words.block has values that are no whole numbers below {sizes.blocks}")
        self._block_of = blocks.astype(np.int64)
        # The states of a block without words emit nothing, so no transition may lead to them.
        self._is_empty = np.bincount(self._block_of, minlength=sizes.blocks) == 0
        shape = (sizes.blocks + 1, sizes.states_per_block, sizes.states)
        # Rows are computed when a word of the block is first read.
        self._log_transitions = np.empty(shape, dtype=np.float32)
        self._has_row = np.zeros(sizes.blocks + 1, dtype=bool)

    @property
    def block_of(self) -> IntArray:
        """The block of each word, (V,)."""
        return self._block_of

    def log_transitions(self) -> Float32Array:
        """Natural log probabilities of the next state, from the states of each block, (M + 1, K, Z).

        The last row of M + 1 is the start, repeated K times.
        """
        self._make_rows(np.arange(self.sizes.blocks + 1))
        return self._log_transitions

    def log_emissions(self) -> Float32Array:
        """Natural log probability of each word from the states of its block, (V, K)."""
        return self._log_emission_table

    def null_state(self, batch: int) -> HMMState:
        """See `LanguageModel.null_state`: the start. Its transitions are the distribution of the first state."""
        per_block = self.sizes.states_per_block
        log_probs = np.full((batch, per_block), -np.log(per_block))
        return HMMState(np.full(batch, self.sizes.blocks), log_probs)

    def advance(self, state: HMMState, token_ids: IntArray, lengths: IntArray | None = None) -> HMMState:
        """See `LanguageModel.advance`."""
        for step, words in enumerate(token_ids):
            _, after = self._read(state, words)
            state = after if lengths is None else _unless(step >= lengths, state, after)
        return state

    def select_columns(self, state: HMMState, columns: IntArray) -> HMMState:
        """See `LanguageModel.select_columns`."""
        return HMMState(state.block[columns], state.log_probs[columns])

    def join(self, states: Sequence[HMMState]) -> HMMState:
        """See `LanguageModel.join`."""
        block = np.concatenate([state.block for state in states])
        return HMMState(block, np.concatenate([state.log_probs for state in states]))

    def log_probs(self, state: HMMState) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        log_probs = np.empty((len(state.block), self.vocabulary_size), dtype=np.float32)
        words, blocks, probs = self._emissions
        for column, of_next in enumerate(self._next_states(state)):
            # The states of a word are summed in a row of their own, so the sum does not depend on other columns.
            of_words = (probs * of_next.reshape(self.sizes.blocks, -1)[blocks]).sum(axis=1)
            with np.errstate(divide="ignore"):
                log_probs[column, words] = np.log(of_words)
        return log_probs

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: HMMState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, HMMState]:
        """See `LanguageModel.score`; the forward algorithm, in logs."""
        if ranks:
            return self._score_with_ranks(inputs, targets, lengths, state, features=features)
        log_probs = np.zeros(inputs.shape, dtype=np.float64)
        vectors = np.empty((*inputs.shape, self.sizes.embedding_dim), dtype=np.float32) if features else None
        ahead = None
        for step, (words, nexts) in enumerate(zip(inputs, targets, strict=True)):
            is_there = step < lengths
            # An input usually is the target before it, whose state has just been computed.
            if ahead is None or not (words == targets[step - 1])[is_there].all():
                _, ahead = self._read(state, words)
            state = _unless(~is_there, state, ahead)
            found, ahead = self._read(state, nexts)
            log_probs[step] = np.where(is_there, found, 0.0)
            if vectors is not None:
                vectors[step] = self.features(state)
        return Scores(log_probs, None, vectors), state

    def word_vectors(self) -> Float32Array:
        """The vectors from which emissions are computed, (V, E)."""
        return self._weights["words"] if self.has_word_vectors else super().word_vectors()

    def features(self, state: HMMState) -> Float32Array:
        """The mean of the states' source vectors under the filtered distribution, (B, E)."""
        vectors = np.empty((len(state.block), self.sizes.embedding_dim), dtype=np.float32)
        for column, (block, log_probs) in enumerate(zip(state.block, state.log_probs, strict=True)):
            vectors[column] = (np.exp(log_probs)[:, None] * self._source(block)).sum(axis=0)
        return vectors

    def advance_with_features(
        self, state: HMMState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, HMMState]:
        """See `LanguageModel.advance_with_features`."""
        vectors = np.empty((*token_ids.shape, self.sizes.embedding_dim), dtype=np.float32)
        for step, words in enumerate(token_ids):
            _, after = self._read(state, words)
            state = after if lengths is None else _unless(step >= lengths, state, after)
            vectors[step] = self.features(state)
        return vectors, state

    def _read(self, state: HMMState, words: IntArray) -> tuple[Float64Array, HMMState]:
        """Natural log probability of each column's next word, (B,), and the state after it."""
        self._make_rows(state.block)
        blocks = self._block_of[words]
        per_block = self.sizes.states_per_block
        rows = self._log_transitions.reshape(-1, per_block, self.sizes.blocks, per_block)
        # (B, K, K): from the states of one block to those of another.
        log_probs = state.log_probs[:, :, None] + rows[state.block, :, blocks, :]
        log_probs = _log_sum_exp(log_probs) + self._log_emissions(words)
        of_words = _log_sum_exp(log_probs[:, :, None])[:, 0]
        # After a word with probability 0, all states of its block are equally probable.
        known = np.where(np.isfinite(of_words)[:, None], log_probs - of_words[:, None], -np.log(per_block))
        return of_words, HMMState(blocks, known)

    def _next_states(self, state: HMMState) -> Float64Array:
        """The probability of each next state, (B, Z)."""
        self._make_rows(state.block)
        probs = np.empty((len(state.block), self.sizes.states))
        for column, (block, log_probs) in enumerate(zip(state.block, state.log_probs, strict=True)):
            transitions = np.exp(self._log_transitions[block], dtype=np.float64)
            transitions *= np.exp(log_probs)[:, None]
            probs[column] = transitions.sum(axis=0)
        return probs

    def _make_rows(self, blocks: IntArray) -> None:
        """Compute the transitions from the states of some blocks, if they are not computed yet."""
        for block in np.unique(blocks[~self._has_row[blocks]]):
            logits = self._source(block) @ self._weights["target"].T
            logits += self._weights["target.bias"]
            logits[:, np.repeat(self._is_empty, self.sizes.states_per_block)] = -np.inf
            self._log_transitions[block] = _log_softmax(logits)
            self._has_row[block] = True

    def _source(self, block: int) -> Float32Array:
        """The vectors that transitions from the states of a block are computed from, (K, E)."""
        per_block = self.sizes.states_per_block
        if block == self.sizes.blocks:
            # The start is repeated K times, so that it has the shape of a block.
            vectors = np.repeat(self._weights["source"][-1:], per_block, axis=0)
        else:
            vectors = self._weights["source"][block * per_block : (block + 1) * per_block]
        return _residual(vectors, self._weights["source.kernel"])

    def _log_emissions(self, words: IntArray) -> Float32Array:
        """Natural log probability of each word from the states of its block, (..., K)."""
        logs: Float32Array = self._log_emission_table[words]
        return logs

    @cached_property
    def _log_emission_table(self) -> Float32Array:
        """See `_log_emissions`, of all words, (V, K)."""
        weights, per_block = self._weights, self.sizes.states_per_block
        vectors = _residual(weights["emission"], weights["emission.kernel"])
        table = np.empty((self.vocabulary_size, per_block), dtype=np.float32)
        order = np.argsort(self._block_of, kind="stable")
        ends = np.cumsum(np.bincount(self._block_of, minlength=self.sizes.blocks))
        for block, words in enumerate(np.split(order, ends[:-1])):
            states = slice(block * per_block, (block + 1) * per_block)
            logits = vectors[states] @ weights["words"][words].T + weights["words.bias"][words]
            if len(words):
                table[words] = _log_softmax(logits).T
        return table

    @cached_property
    def _emissions(self) -> tuple[IntArray, IntArray, Float64Array]:
        """Words in the order of their blocks, (V,), the block of each, (V,), and their emissions, (V, K)."""
        words = np.argsort(self._block_of, kind="stable")
        return words, self._block_of[words], np.exp(self._log_emission_table[words], dtype=np.float64)


def _residual(vectors: Float32Array, kernel: Float32Array) -> Float32Array:
    """The sum of vectors x, (N, E), and relu(x W)."""
    sums: Float32Array = vectors + np.maximum(vectors @ kernel, 0.0)
    return sums


def _unless(ended: BoolArray, before: HMMState, after: HMMState) -> HMMState:
    """The state `before` in the columns that have ended, (B,) bool, and the state `after` in the others."""
    return HMMState(
        np.where(ended, before.block, after.block), np.where(ended[:, None], before.log_probs, after.log_probs)
    )


def _log_sum_exp(values: Float64Array) -> Float64Array:
    """log(sum(exp(values))) over axis 1 of (B, N, K), (B, K)."""
    largest = values.max(axis=1)
    # If all values are -inf, the result is -inf, not NaN.
    shift = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        logs: Float64Array = shift + np.log(np.exp(values - shift[:, None]).sum(axis=1))
    return logs


def _log_softmax(logits: Float32Array) -> Float32Array:
    """Log probabilities of each row, float32."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_probs: Float32Array = shifted.astype(np.float32)
    return log_probs
