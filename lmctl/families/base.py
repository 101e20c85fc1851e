"""What every family of language models can do, on token ids.

Prediction, scoring and whatever else people ask are written once over these operations. Axes: T time, B batch,
H features, V vocabulary. A state is what a model carries from one token to the next; it is never changed in place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.layers.distributions import largest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.corpus.vocabulary import Vocabulary


State = TypeVar("State")

# Where whole distributions are looked at along a text, so many positions times words are held at once: 8 MiB as
# float32.
DISTRIBUTIONS_AT_ONCE = 1 << 21


class BundleFiles(Protocol):
    """What a runtime reads a model from: `store.bundle.Bundle`, as far as families know it.

    Attributes:
        folder: where its files are.
        weights_path: of the file that `weights` reads.
    """

    folder: Path
    weights_path: Path

    @property
    def sizes(self) -> Any:
        """The dimensions of the model, a struct of its family."""
        ...

    @property
    def family(self) -> str:
        """The name of its family."""
        ...

    def vocabulary(self) -> Vocabulary:
        """Words and ids."""
        ...

    def weights(self, most_numbers: int | None = None) -> dict[str, NDArray[Any]]:
        """Every weight by name; a file of more than `most_numbers` numbers is refused before it is read."""
        ...

    def check(self, name: str) -> Path:
        """The path of a file that has been found sound."""
        ...

    def members(self) -> Sequence[BundleFiles]:
        """The bundles that this one is made of; none for most families."""
        ...


@dataclass(frozen=True, slots=True)
class Scores:
    """Log probabilities of target tokens.

    Attributes:
        log_probs: natural logs, (T, B); 0 where a sequence has ended.
        ranks: place of the target in the whole distribution, from 1, ties counted against it, (T, B); 0 where a
            sequence has ended. None unless asked for.
        features: `LanguageModel.features` of the context that each target was predicted from, (T, B, H); of no
            meaning where a sequence has ended. None unless asked for.
        ngram_lengths: words of the n-gram whose probability was taken, with the target, (T, B); of no meaning
            where a sequence has ended. None: there are no n-grams.
        ngram_terms: the terms of `log_probs`, (N, T, B): the n-gram's own, then the back-off of the context of
            each length from 1 to N - 1, 0 unless it is longer than the n-gram's. None likewise.
    """

    log_probs: Float64Array
    ranks: IntArray | None
    features: Float32Array | None = None
    ngram_lengths: IntArray | None = None
    ngram_terms: Float32Array | None = None


class LanguageModel(ABC, Generic[State]):
    """A distribution over the next token, given the tokens so far.

    Attributes:
        vocabulary_size: V.
        has_features: whether it has a vector for each context (`features`, `advance_with_features`).
    """

    vocabulary_size: int
    has_features: bool = False

    @abstractmethod
    def null_state(self, batch: int) -> State:
        """The state of knowing nothing of what stood before: the middle of a text."""

    def initial_state(self, batch: int) -> State:
        """The start of a sentence: the null state advanced by `</s>`."""
        return self.advance(self.null_state(batch), np.full((1, batch), SENTENCE_END_ID))

    @abstractmethod
    def advance(self, state: State, token_ids: IntArray, lengths: IntArray | None = None) -> State:
        """The state after reading tokens.

        Args:
            state: where to start from.
            token_ids: (T, B).
            lengths: how many of a column's T tokens to read, (B,); all of them by default.
        """

    @abstractmethod
    def log_probs(self, state: State) -> Float32Array:
        """Natural log probability of every next token, (B, V); each row sums to 1 in probability."""

    def top_k(self, state: State, k: int, allowed: BoolArray | None = None) -> tuple[IntArray, Float32Array]:
        """The k most probable next tokens, best first; of equal ones the smaller id first.

        Args:
            state: the contexts.
            k: how many; fewer come back where fewer are allowed.
            allowed: tokens that may be answered, (V,); probabilities are not renormalised over them.

        Returns:
            Token ids and natural log probabilities, both (B, k).
        """
        log_probs = self.log_probs(state)
        candidates = np.arange(self.vocabulary_size) if allowed is None else np.flatnonzero(allowed)
        return largest(log_probs[:, candidates], candidates, min(k, len(candidates)))

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
        """Log probability of each target after the inputs up to it, and the state at the end.

        Args:
            inputs: token ids, (T, B); the first is read from `state`.
            targets: the token that followed each input, (T, B).
            lengths: how many of a column's T positions are there, (B,).
            state: where each column starts from.
            ranks: also find each target's rank in the whole distribution.
            features: also keep the features that each target was predicted from; the model must have some.
        """

    def advance_with_log_probs(
        self, state: State, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, State]:
        """`advance`, and `log_probs` after every token.

        Args:
            state: where to start from.
            token_ids: (T, B); T * B * V numbers come back, so T had better be small.
            lengths: how many of a column's T tokens to read, (B,); all of them by default.

        Returns:
            Natural logs, (T, B, V), of no meaning where a column has ended; and the state at the end.
        """
        steps, batch = token_ids.shape
        log_probs = np.empty((steps, batch, self.vocabulary_size), dtype=np.float32)
        for step in range(steps):
            there = None if lengths is None else np.clip(lengths - step, 0, 1)
            state = self.advance(state, token_ids[step : step + 1], there)
            log_probs[step] = self.log_probs(state)
        return log_probs, state

    def features(self, state: State) -> Float32Array:
        """A vector for each context, (B, H): alike contexts have alike vectors. Only where `has_features`."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def advance_with_features(
        self, state: State, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, State]:
        """`advance`, and `features` after every token, (T, B, H). Only where `has_features`.

        Args:
            state: where to start from.
            token_ids: (T, B).
            lengths: how many of a column's T tokens to read, (B,); all of them by default.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def _score_with_ranks(
        self, inputs: IntArray, targets: IntArray, lengths: IntArray, state: State, *, features: bool
    ) -> tuple[Scores, State]:
        """`score` with ranks for models that can do no better than to look at whole distributions."""
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
