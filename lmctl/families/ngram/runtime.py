"""The n-gram model in NumPy: look-ups in the tables of families/ngram/tables.py, for whole batches.

arithmetic.py computes the probabilities.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.ngram.arithmetic import Adding, BackingOff
from lmctl.families.ngram.keys import ABSENT
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.families.ngram.tables import open_tables
from lmctl.families.ngram.unpacked import UnpackedTables, pays, unpacked
from lmctl.layers.distributions import largest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.families.base import BundleFiles
    from lmctl.families.ngram.tables import NgramTables

# Most probabilities in memory at once while ranks are computed.
RANKED_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class NgramState:
    """The last words of each column.

    Attributes:
        contexts: places of the last 1, 2, ... order - 1 words in the tables of these orders, (order - 1, B);
            `ABSENT`: the table does not have them.
    """

    contexts: IntArray


class NgramLanguageModel(LanguageModel[NgramState]):
    """An n-gram model with any smoothing.

    Args:
        tables: tables that `open_tables` has checked.
    """

    forgets_at_sentence_end = True

    @classmethod
    def from_bundle(cls, bundle: BundleFiles) -> NgramLanguageModel:
        """Open the tables of a bundle.

        Raises:
            DataError: the bundle is of another family, or a table is missing or damaged.
        """
        sizes = bundle.sizes
        if not isinstance(sizes, NgramSizes):
            raise DataError(f"{bundle.folder}: family {bundle.family}; expected ngram")
        for name in sizes.table_names():
            bundle.check(name)
        return cls(open_tables(bundle.folder, sizes))

    def __init__(self, tables: NgramTables) -> None:
        self.vocabulary_size = tables.sizes.vocabulary_size
        self.sizes = tables.sizes
        self.context_length = tables.sizes.order - 1
        self._tokens_scored = 0
        self._look_up_in(tables)

    def _look_up_in(self, tables: NgramTables) -> None:
        self._tables = tables
        self._arithmetic = Adding(tables) if tables.sizes.quantize == 8 else BackingOff(tables)

    def ngram_model(self) -> NgramLanguageModel:
        """See `LanguageModel.ngram_model`."""
        return self

    def words(self, order: int, places: IntArray) -> IntArray:
        """The word ids of n-grams, (N, order), given their places in the table of their order, (N,)."""
        return self._tables.words(order, places)

    def null_state(self, batch: int) -> NgramState:
        """The state without context, in which the unigrams give the probabilities."""
        return NgramState(np.full((self.sizes.order - 1, batch), ABSENT, dtype=np.int64))

    def advance(self, state: NgramState, token_ids: IntArray, lengths: IntArray | None = None) -> NgramState:
        """See `LanguageModel.advance`."""
        return _at_the_end(state, self._contexts_along(state, token_ids), lengths)

    def select_columns(self, state: NgramState, columns: IntArray) -> NgramState:
        """See `LanguageModel.select_columns`."""
        return NgramState(state.contexts[:, columns])

    def join(self, states: Sequence[NgramState]) -> NgramState:
        """See `LanguageModel.join`."""
        return NgramState(np.concatenate([state.contexts for state in states], axis=1))

    def log_probs(self, state: NgramState) -> Float32Array:
        """See `LanguageModel.log_probs`."""
        ranges = self._ranges(state.contexts)
        return self._arithmetic.all_words(ranges, self._arithmetic.weights(state.contexts, ranges))

    def top_k(self, state: NgramState, k: int, allowed: BoolArray | None = None) -> tuple[IntArray, Float32Array]:
        """See `LanguageModel.top_k`. Of the words that never followed the context, only a few are examined."""
        allowed = np.ones(self.vocabulary_size, dtype=bool) if allowed is None else allowed
        k = min(k, int(np.count_nonzero(allowed)))
        batch = state.contexts.shape[1]
        found = np.empty((batch, k), dtype=np.int64), np.empty((batch, k), dtype=np.float32)
        for row in range(batch if k else 0):
            words, log_probs = self._candidates(state.contexts[:, row : row + 1], k, allowed)
            rising = np.argsort(words)
            best = largest(log_probs[None, rising], words[rising], k)
            found[0][row], found[1][row] = best[0][0], best[1][0]
        return found

    def advance_with_log_probs(
        self, state: NgramState, token_ids: IntArray, lengths: IntArray | None = None
    ) -> tuple[Float32Array, NgramState]:
        """See `LanguageModel.advance_with_log_probs`. The n-grams of an order are looked up all at once."""
        contexts = self._contexts_along(state, token_ids)
        every = self.log_probs(NgramState(contexts.reshape(len(contexts), token_ids.size)))
        return every.reshape(*token_ids.shape, self.vocabulary_size), _at_the_end(state, contexts, lengths)

    def score(
        self,
        inputs: IntArray,
        targets: IntArray,
        lengths: IntArray,
        state: NgramState,
        *,
        ranks: bool = False,
        features: bool = False,
    ) -> tuple[Scores, NgramState]:
        """See `LanguageModel.score`. The n-grams of an order are looked up all at once."""
        if features:
            self.features(state)
        self._note_tokens(targets.size)
        present = np.arange(len(inputs))[:, None] < lengths
        contexts = np.empty((self.sizes.order - 1, *inputs.shape), dtype=np.int64)
        # A target is usually the next input, and is looked up once for both. `read_again` marks the other inputs.
        read_again = np.concatenate([np.ones_like(inputs[:1], dtype=bool), inputs[1:] != targets[:-1]])
        places = [targets.astype(np.int64)]
        ranges: list[tuple[IntArray, IntArray]] = []
        for order in range(1, self.sizes.order + 1):
            if order > 1:
                ranges.append(self._tables.continuations(order, contexts[order - 2].ravel()))
                places.append(self._tables.find_between(order, *ranges[-1], targets))
            if order == self.sizes.order:
                break
            here = np.roll(places[-1], 1, axis=0)
            before = None if order == 1 else _one_before(state.contexts[order - 2], contexts[order - 2])
            again = None if before is None else before[read_again]
            here[read_again] = self._as_contexts(order, again, inputs[read_again])
            if order > 1:
                here[inputs == SENTENCE_END_ID] = ABSENT
            contexts[order - 1] = here
        found_lengths = _lengths(places)
        of_targets, terms = self._arithmetic.score(
            [of_order.ravel() for of_order in places],
            contexts.reshape(len(contexts), inputs.size),
            found_lengths.ravel(),
            ranges,
        )
        log_probs = of_targets.reshape(inputs.shape)
        log_probs[~present] = 0.0
        scores = Scores(
            log_probs,
            self._ranks(contexts, targets, present) if ranks else None,
            ngram_lengths=found_lengths,
            ngram_terms=terms.reshape(len(terms), *inputs.shape),
        )
        return scores, _at_the_end(state, contexts, lengths)

    def _note_tokens(self, tokens: int) -> None:
        """Count the tokens that are scored, and unpack the tables if there are many."""
        if isinstance(self._tables, UnpackedTables):
            return
        self._tokens_scored += tokens
        if pays(self._tables, self._tokens_scored):
            self._look_up_in(unpacked(self._tables))

    def _contexts_along(self, state: NgramState, token_ids: IntArray) -> IntArray:
        """The contexts (`NgramState.contexts`) after every token, (order - 1, T, B)."""
        contexts = np.empty((self.sizes.order - 1, *token_ids.shape), dtype=np.int64)
        for order in range(1, self.sizes.order):
            before = None if order == 1 else _one_before(state.contexts[order - 2], contexts[order - 2])
            contexts[order - 1] = self._as_contexts(order, before, token_ids)
        return contexts

    def _as_contexts(self, order: int, before: IntArray | None, token_ids: IntArray) -> IntArray:
        """The places of contexts of an order.

        Args:
            order: number of words of the contexts.
            before: places of their first words in the table of order - 1; None: `order` is 1.
            token_ids: their last words. No context of more than one word ends with `</s>`.
        """
        if before is None:
            return token_ids.astype(np.int64)
        places = self._tables.find(order, before, token_ids)
        places[token_ids == SENTENCE_END_ID] = ABSENT
        return places

    def _ranges(self, contexts: IntArray) -> list[tuple[IntArray, IntArray]]:
        """The n-grams of contexts, (order - 1, B), for each order; see `NgramTables.continuations`."""
        return [self._tables.continuations(order, contexts[order - 2]) for order in range(2, self.sizes.order + 1)]

    def _ranks(self, contexts: IntArray, targets: IntArray, present: BoolArray) -> NDArray[np.int64]:
        ranks = np.zeros(targets.shape, dtype=np.int64)
        of_present = np.zeros(np.count_nonzero(present), dtype=np.int64)
        contexts, targets = contexts[:, present], targets[present]
        at_once = max(1, RANKED_AT_ONCE // self.vocabulary_size)
        for start in range(0, len(targets), at_once):
            rows = slice(start, start + at_once)
            table = self.log_probs(NgramState(contexts[:, rows]))
            of_target = table[np.arange(len(table)), targets[rows]]
            of_present[rows] = np.count_nonzero(table >= of_target[:, None], axis=1)
        ranks[present] = of_present
        return ranks

    @cached_property
    def _by_probability(self) -> tuple[IntArray, Float64Array]:
        """All words by falling unigram probability, ties by id, and their `Arithmetic.unigrams`."""
        words = np.argsort(-self._arithmetic.unigrams, kind="stable")
        return words, self._arithmetic.unigrams[words]

    def _candidates(self, contexts: IntArray, k: int, allowed: BoolArray) -> tuple[IntArray, Float32Array]:
        """Words that include the k most probable ones after one context, and their log probabilities.

        Args:
            contexts: places of the context and its suffixes, (order - 1, 1).
            k: number of words.
            allowed: whether each word may be returned, (V,).
        """
        ranges = self._ranges(contexts)
        weights = self._arithmetic.weights(contexts, ranges)
        words, log_probs = self._arithmetic.listed(ranges, weights[:, 0])
        by_unigram, unigrams = self._by_probability

        def value(place: int | slice) -> Any:
            places = place if isinstance(place, slice) else slice(place, place + 1)
            values = self._arithmetic.unlisted(unigrams[places], weights[0, 0])
            return values if isinstance(place, slice) else values[0]

        def others(first: int) -> IntArray:
            """The places, among the first words by unigram probability, of allowed words that are not listed."""
            chosen = by_unigram[:first]
            return np.flatnonzero(allowed[chosen] & ~np.isin(chosen, words))

        may_answer = allowed[words]
        least = -np.inf
        if np.count_nonzero(may_answer) >= k:
            least = np.partition(log_probs[may_answer], -k)[-k]
        # More and more words that are not listed are examined, until k of them give a lower bound for the k-th
        # best.
        first = 4 * k
        while first < len(unigrams) and value(first) >= least:
            found = others(first)
            if len(found) >= k:
                least = max(least, value(int(found[k - 1])))
                break
            first *= 4
        # Rounding may make different values equal, so all words with the lowest value are candidates.
        enough = bisect.bisect_right(range(len(unigrams)), -least, key=lambda place: -value(place))
        found = others(enough)
        return (
            np.concatenate([words[may_answer], by_unigram[found]]),
            np.concatenate([log_probs[may_answer], value(slice(enough))[found]]),
        )


def _lengths(places: Sequence[IntArray]) -> IntArray:
    """Number of words of the longest n-gram that the tables have, given the places for each order, (T, B)."""
    lengths = np.ones(places[0].shape, dtype=np.int64)
    for order, of_order in enumerate(places[1:], start=2):
        lengths[of_order >= 0] = order
    return lengths


def _one_before(first: IntArray, values: IntArray) -> IntArray:
    """Values (T, B) shifted by one step: `first` (B,), then all but the last."""
    return np.concatenate([first[None], values])[:-1]


def _at_the_end(state: NgramState, contexts: IntArray, lengths: IntArray | None) -> NgramState:
    """The state at the end of each column, given the contexts of all positions, (order - 1, T, B)."""
    every = np.concatenate([state.contexts[:, None], contexts], axis=1)
    if lengths is None:
        return NgramState(every[:, -1])
    return NgramState(every[:, lengths, np.arange(every.shape[2])])
