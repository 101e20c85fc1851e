"""The interface of a model for queries: `LanguageModel`, which works on token ids, in NumPy.

lmctl/query implements prediction, scoring and evaluation with these operations, for all families.

Axes: T time, B batch, H features, V vocabulary. A batch has B columns, each a text of its own. A state holds what
the model needs of the tokens read so far, for B columns. Methods return new states and never change the one they
get.

The results for a column may not depend on the other columns of the batch, not by a single bit
(docs/metrics.md; layers/products.py has the matrix products for it).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.layers.distributions import drawn_tokens, largest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.corpus.vocabulary import Vocabulary


State = TypeVar("State")

# Positions times words of the distributions that are in memory at once: 8 MiB as float32.
DISTRIBUTIONS_AT_ONCE = 1 << 21
# Positions whose features are in memory at once.
POSITIONS_AT_ONCE = 1 << 13


class BundleFiles(Protocol):
    """The files of one generation, as `Family.load` reads them. `store.bundle.Bundle` implements this.

    Attributes:
        folder: the folder of the files.
        weights_path: the path of the file that `weights` reads, for messages.
    """

    folder: Path
    weights_path: Path

    @property
    def sizes(self) -> Any:
        """The dimensions of the model, of type `Family.sizes_type`."""
        ...

    @property
    def family(self) -> str:
        """The name of the family of the model."""
        ...

    def vocabulary(self) -> Vocabulary:
        """The vocabulary: V words and their ids."""
        ...

    @property
    def vocabulary_sha256(self) -> str:
        """The SHA-256 of the file of the vocabulary. Files with other counts have another one."""
        ...

    def weights(self, most_numbers: int | None = None) -> dict[str, NDArray[Any]]:
        """Read all weights, by name.

        Args:
            most_numbers: the most numbers that the file may hold; None: any number.

        Raises:
            DataError: the file is missing, damaged or larger than `most_numbers` allows.
        """
        ...

    def check(self, name: str) -> Path:
        """Check the size of a file, and its hash if it is small, and return its path.

        Raises:
            DataError: the file is missing or damaged.
        """
        ...

    def members(self) -> Sequence[BundleFiles]:
        """The bundles of the members, if the family combines other models; else empty."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """Log probabilities of target tokens.

    Attributes:
        log_probs: natural log probabilities, (T, B); 0 after the end of a column.
        ranks: rank of each target among the V words by falling probability, from 1, (T, B). Words of equal
            probability count as better than the target. 0 after the end of a column. None: not requested.
        features: `LanguageModel.features` of the context of each target, (T, B, H); undefined after the end of a
            column. None: not requested.
        ngram_lengths: number of words of the n-gram that gave the probability, target included, (T, B); undefined
            after the end of a column. None: the model is not one of n-grams alone.
        ngram_terms: the terms whose sum is `log_probs`, (N, T, B) for n-grams of up to N words: first the log
            probability of the n-gram, then the log back-off weights of the contexts of 1 to N - 1 words, 0 for
            contexts that were not backed off from. None: as above, or some words share the probability of `<unk>`
            (joined.py).
    """

    log_probs: Float64Array
    ranks: IntArray | None
    features: Float32Array | None = None
    ngram_lengths: IntArray | None = None
    ngram_terms: Float32Array | None = None


class LanguageModel(ABC, Generic[State]):
    """A probability distribution over the next token, given the tokens so far.

    A family implements `null_state`, `advance`, `select_columns`, `join`, `log_probs` and `score`. The other
    methods have a general form, which a family may replace by a faster one.

    Attributes:
        vocabulary_size: V.
        has_features: whether the model has a vector for each context. If so, it implements `features` and
            `advance_with_features`.
        has_word_vectors: whether the model has a vector for each word. If so, it implements `word_vectors`.
        context_length: the largest number of preceding tokens on which a distribution depends; None: no limit.
        forgets_at_sentence_end: whether no distribution depends on tokens before the last `</s>`. Then a sentence
            has the same scores, to the last bit, alone and after other sentences.
    """

    vocabulary_size: int
    has_features: bool = False
    has_word_vectors: bool = False
    context_length: int | None = None
    forgets_at_sentence_end: bool = False

    def for_many_columns(self) -> LanguageModel[State]:
        """The same model, faster for many columns, and slower for one.

        Both have the same states. Their results may differ in the last digits, so a caller chooses one of them by
        what it does, not by the number of columns at hand.
        """
        return self

    @abstractmethod
    def null_state(self, batch: int) -> State:
        """The state without any context, for a text that starts in the middle, for B = `batch` columns."""

    def initial_state(self, batch: int) -> State:
        """The state at the start of a sentence: the null state after reading `</s>`."""
        return self.advance(self.null_state(batch), np.full((1, batch), SENTENCE_END_ID))

    @abstractmethod
    def advance(self, state: State, token_ids: IntArray, lengths: IntArray | None = None) -> State:
        """Read tokens and return the state after them.

        Args:
            state: the state before the first token.
            token_ids: (T, B).
            lengths: how many of the T tokens of each column to read, (B,), 0 to T; None: all.
        """

    @abstractmethod
    def select_columns(self, state: State, columns: IntArray) -> State:
        """The state of some columns, in any order, to continue them apart.

        Args:
            state: the state of B columns.
            columns: the column that each new column continues, (N,); a column may be named several times.
        """

    @abstractmethod
    def join(self, states: Sequence[State]) -> State:
        """The states of texts that were read apart, side by side, to continue them together.

        Args:
            states: one or more states; the columns of the first come first.
        """

    @abstractmethod
    def log_probs(self, state: State) -> Float32Array:
        """Natural log probability of every word as the next token, (B, V). The probabilities of a row sum to 1."""

    def ngram_model(self) -> LanguageModel[Any] | None:
        """The n-gram model that this one is or contains; None: none. Its `score` gives `Scores.ngram_lengths`."""
        return None

    def top_k(self, state: State, k: int, allowed: BoolArray | None = None) -> tuple[IntArray, Float32Array]:
        """Find the k most probable next tokens, best first. Of equally probable tokens the smaller id comes first.

        Args:
            state: the contexts.
            k: number of tokens; if fewer are allowed, all of these are returned.
            allowed: whether each token may be returned, (V,); None: all may. Probabilities are not renormalised
                over the allowed tokens.

        Returns:
            Token ids and natural log probabilities, (B, min(k, number of allowed tokens)) each.
        """
        log_probs = self.log_probs(state)
        candidates = np.arange(self.vocabulary_size) if allowed is None else np.flatnonzero(allowed)
        return largest(log_probs[:, candidates], candidates, min(k, len(candidates)))

    def sample(self, state: State, uniforms: Float64Array, excluded: int) -> tuple[IntArray, Float32Array]:
        """Draw a next token for each context from the distribution without one token, which is renormalised.

        The tokens lie side by side in the order of their ids, each as wide as its probability. A uniform number is
        a place on this line, and its token is drawn.

        Args:
            state: the contexts.
            uniforms: a number of at least 0 and below 1 for each context, (B,).
            excluded: the id of the token that is never drawn.

        Returns:
            Token ids, (B,), and their natural log probabilities in the whole distribution, (B,). If no other token
            has a probability above 0, the log probability is -inf, and the id means nothing.
        """
        return drawn_tokens(self.log_probs(state), uniforms, excluded)

    @abstractmethod
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
        """Compute the log probability of each target after the inputs up to it, and the state after all inputs.

        Args:
            inputs: token ids, (T, B).
            targets: the id of the token after each input, (T, B).
            lengths: number of positions of each column, (B,), 0 to T; the rest is padding.
            state: the state before the first input.
            ranks: whether to compute `Scores.ranks`.
            features: whether to return `Scores.features`; requires `has_features`.
        """

    def advance_with_log_probs(
        self, state: State, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, State]:
        """Read tokens, and compute `log_probs` after every token.

        Args:
            state: the state before the first token.
            token_ids: (T, B). The result has T * B * V numbers, so the caller chooses a small T.
            lengths: as in `advance`.

        Returns:
            Natural log probabilities, (T, B, V), undefined after the end of a column, and the state after all
            tokens.
        """
        steps, batch = token_ids.shape
        log_probs = np.empty((steps, batch, self.vocabulary_size), dtype=np.float32)
        for step in range(steps):
            there = None if lengths is None else np.clip(lengths - step, 0, 1)
            state = self.advance(state, token_ids[step : step + 1], there)
            log_probs[step] = self.log_probs(state)
        return log_probs, state

    def word_vectors(self) -> Float32Array:
        """A vector for each word of the vocabulary, (V, E): similar words have similar vectors.

        Requires `has_word_vectors`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no word vectors")

    def features(self, state: State) -> Float32Array:
        """A vector for each context, (B, H): similar contexts have similar vectors. Requires `has_features`."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def advance_with_features(
        self, state: State, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, State]:
        """Read tokens, and compute `features` after every token. Requires `has_features`.

        Args:
            state: the state before the first token.
            token_ids: (T, B).
            lengths: as in `advance`.

        Returns:
            Features, (T, B, H), undefined after the end of a column, and the state after all tokens.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def sentence_vectors(self, token_ids: IntArray, lengths: IntArray) -> Float32Array:
        """A vector for each sentence, (B, D): similar sentences have similar vectors. Requires `has_features`.

        By default it is the mean of the features after each word, and D is H. The sentence starts after `</s>`,
        whose features count only if the sentence has no words.

        Args:
            token_ids: the words of the sentences, (T, B), without `</s>`.
            lengths: number of words of each sentence, (B,), 0 to T; the rest is padding.
        """
        batch = len(lengths)
        columns = np.concatenate([np.full((1, batch), SENTENCE_END_ID), token_ids])
        state = self.null_state(batch)
        sums = np.zeros(1)
        at_once = max(1, POSITIONS_AT_ONCE // batch)
        for first in range(0, len(columns), at_once):
            block = columns[first : first + at_once]
            there = np.clip(lengths + 1 - first, 0, len(block))
            features, state = self.advance_with_features(state, block, there)
            # Added one position after the other, so that a sum does not depend on the sentences beside it.
            for place, of_place in enumerate(features, start=first):
                counts = place <= lengths if place else lengths == 0
                sums = sums + np.where(counts[:, None], of_place, 0.0)
        means: Float32Array = (sums / np.maximum(lengths, 1)[:, None]).astype(np.float32)
        return means

    def _score_with_ranks(
        self, inputs: IntArray, targets: IntArray, lengths: IntArray, state: State, *, features: bool
    ) -> tuple[Scores, State]:
        """`score` with ranks, from the whole distribution at every position."""
        along = self.advance_with_features(state, inputs, lengths)[0] if features else None
        present = np.arange(len(inputs))[:, None] < lengths
        log_probs = np.zeros(inputs.shape, dtype=np.float64)
        ranks = np.zeros(inputs.shape, dtype=np.int64)
        at_once = max(1, DISTRIBUTIONS_AT_ONCE // (inputs.shape[1] * self.vocabulary_size))
        for first in range(0, len(inputs), at_once):
            block = slice(first, first + at_once)
            there = np.clip(lengths - first, 0, len(inputs[block]))
            of_all, state = self.advance_with_log_probs(state, inputs[block], there)
            of_targets = np.take_along_axis(of_all, targets[block, :, None], axis=2)
            log_probs[block] = np.where(present[block], of_targets[:, :, 0], 0.0)
            ranks[block] = np.where(present[block], np.count_nonzero(of_all >= of_targets, axis=2), 0)
        return Scores(log_probs, ranks, along), state
