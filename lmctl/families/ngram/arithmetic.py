"""The two ways to compute probabilities from n-gram tables: by backing off, and by adding shares.

Backing off (Katz 1987): the probability of a word is the one of the longest n-gram in the tables that ends in this
word, times the back-off weights of all longer contexts. The tables hold interpolated probabilities, so this is
true for every smoothing.

Adding: the probability of a word is the sum of the shares of all n-grams that end in this word, each times the
weights of all longer contexts (shares.py). It is the same for interpolated smoothing, and sums to 1 for quantised
shares.

Both use these arrays for B columns: `contexts`, places of the last 1, 2, ... order - 1 words, (order - 1, B),
`ABSENT` if the tables do not have them; and `ranges`, for each of these orders the places of their n-grams
(`NgramTables.continuations`). A probability is computed by the same operations in the same order for one word and
for all words, so it has the same bits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.ngram.continuations import stretches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.ngram.tables import NgramTables

    Ranges = Sequence[tuple[IntArray, IntArray]]


class Arithmetic(ABC):
    """Computes probabilities of words.

    Args:
        tables: the tables of the model.
    """

    def __init__(self, tables: NgramTables) -> None:
        self.tables = tables
        self.order = tables.sizes.order

    @property
    @abstractmethod
    def unigrams(self) -> Float64Array:
        """What `unlisted` gets of each word, (V,); it rises with the probability of the word."""

    @abstractmethod
    def weights(self, contexts: IntArray, ranges: Ranges) -> Float64Array:
        """For n-grams of each order, what all longer contexts leave to them, (order, B)."""

    @abstractmethod
    def all_words(self, ranges: Ranges, weights: Float64Array) -> Float32Array:
        """The log probabilities of all words, (B, V)."""

    @abstractmethod
    def listed(self, ranges: Ranges, weights: Float64Array) -> tuple[IntArray, Float32Array]:
        """The words that follow a context or a suffix of it, by rising id, and their log probabilities; B = 1."""

    @abstractmethod
    def unlisted(self, unigrams: Float64Array, weight: float) -> Float32Array:
        """The log probabilities of words that `listed` does not have.

        Args:
            unigrams: `unigrams` of these words.
            weight: the first of `weights`.
        """

    @abstractmethod
    def score(
        self, places: Sequence[IntArray], contexts: IntArray, lengths: IntArray, ranges: Ranges
    ) -> tuple[Float64Array, Float32Array]:
        """The log probabilities of one word a column, (B,), and their terms, (order, B); see `Scores.ngram_terms`.

        Args:
            places: for each order, the places of the n-grams that end with the words, (B,).
            contexts: places of the contexts, (order - 1, B).
            lengths: number of words of the longest n-gram in the tables, (B,).
            ranges: the n-grams of the contexts.
        """

    def _every_listed(self, ranges: Ranges, order: int) -> tuple[IntArray, IntArray, IntArray]:
        """For each n-gram of an order in the ranges its column, its last word and its place, (ngrams,) each."""
        first, stop = ranges[order - 2]
        places = stretches(first, stop)
        columns = np.repeat(np.arange(len(first)), stop - first) if len(first) > 1 else np.zeros_like(places)
        return columns, self.tables.last_words(order, places), places


class BackingOff(Arithmetic):
    """Backs off. All values are natural logs, so a product is a sum."""

    @cached_property
    def unigrams(self) -> Float64Array:
        """Log probabilities."""
        return self.tables.log_probs[1].astype(np.float64)

    def weights(self, contexts: IntArray, ranges: Ranges) -> Float64Array:  # noqa: ARG002
        """Sums of log back-off weights."""
        costs = np.zeros((self.order, *contexts.shape[1:]))
        for length in range(self.order - 1, 0, -1):
            places, backoffs = contexts[length - 1], self.tables.backoffs[length]
            costs[length - 1] = costs[length]
            if len(backoffs):
                costs[length - 1] += np.where(places >= 0, backoffs[np.maximum(places, 0)], 0.0)
        return costs

    def all_words(self, ranges: Ranges, weights: Float64Array) -> Float32Array:
        """See `Arithmetic.all_words`. The probability of a longer n-gram replaces that of a shorter one."""
        table = self.tables.log_probs[1].astype(np.float64) + weights[0][:, None]
        for order in range(2, self.order + 1):
            columns, words, places = self._every_listed(ranges, order)
            table[columns, words] = self.tables.log_probs[order][places] + weights[order - 1][columns]
        rounded: Float32Array = table.astype(np.float32)
        return rounded

    def listed(self, ranges: Ranges, weights: Float64Array) -> tuple[IntArray, Float32Array]:
        """See `Arithmetic.listed`."""
        every_word: list[IntArray] = [np.empty(0, dtype=np.int64)]
        log_probs = [np.empty(0)]
        for order in range(self.order, 1, -1):
            _, words, places = self._every_listed(ranges, order)
            every_word.append(words)
            log_probs.append(self.tables.log_probs[order][places] + weights[order - 1])
        # The first entry of a word is the longest n-gram.
        found, firsts = np.unique(np.concatenate(every_word), return_index=True)
        return found, np.concatenate(log_probs)[firsts].astype(np.float32)

    def unlisted(self, unigrams: Float64Array, weight: float) -> Float32Array:
        """See `Arithmetic.unlisted`."""
        rounded: Float32Array = (unigrams + weight).astype(np.float32)
        return rounded

    def score(
        self,
        places: Sequence[IntArray],
        contexts: IntArray,
        lengths: IntArray,
        ranges: Ranges,  # noqa: ARG002
    ) -> tuple[Float64Array, Float32Array]:
        """See `Arithmetic.score`."""
        terms = np.zeros((self.order, *lengths.shape), dtype=np.float32)
        for order, of_order in enumerate(places, start=1):
            found = lengths == order
            terms[0][found] = self.tables.log_probs[order][of_order[found]]
        for length, backoffs in self.tables.backoffs.items():
            paid = (contexts[length - 1] >= 0) & (lengths <= length)
            terms[length][paid] = backoffs[contexts[length - 1][paid]]
        return _added(terms), terms


class Adding(Arithmetic):
    """Adds quantised shares. The weights are products.

    Estimation keeps the end of every n-gram that it keeps. So a word is in an n-gram of any order after a context
    only if it is in an n-gram of order 2 after the last word. The probabilities of all other words are those of
    the unigrams, times a weight, and are computed as sums of logarithms.
    """

    @cached_property
    def unigrams(self) -> Float64Array:
        """Log probabilities."""
        return _logs(self._probs)

    @cached_property
    def _probs(self) -> Float64Array:
        return self.tables.probs.astype(np.float64)

    def weights(self, contexts: IntArray, ranges: Ranges) -> Float64Array:
        """Products of the weights of the lower order."""
        return _products(self._own_weights(contexts, ranges))

    def all_words(self, ranges: Ranges, weights: Float64Array) -> Float32Array:
        """See `Arithmetic.all_words`."""
        table = self.unigrams + _logs(weights[0])[:, None]
        flat = table.reshape(-1)
        listed: IntArray | None = None
        for order in range(2, self.order + 1):
            columns, words, places = self._every_listed(ranges, order)
            if order > 2 and not len(words):
                continue
            shares = self.tables.shares[order].of(places) * weights[order - 1].take(columns)
            at = columns * self.tables.sizes.vocabulary_size + words
            if listed is None:
                listed = at
                flat[listed] = self._probs.take(words) * weights[0].take(columns) + shares
            else:
                flat[at] += shares
        if listed is not None:
            flat[listed] = _at_most_zero(flat.take(listed))
        rounded: Float32Array = table.astype(np.float32)
        return rounded

    def listed(self, ranges: Ranges, weights: Float64Array) -> tuple[IntArray, Float32Array]:
        """See `Arithmetic.listed`."""
        if self.order == 1:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        _, words, places = self._every_listed(ranges, 2)
        probs = self._probs.take(words) * weights[0] + self.tables.shares[2].of(places) * weights[1]
        for order in range(3, self.order + 1):
            _, of_order, places = self._every_listed(ranges, order)
            if len(places):
                probs[np.searchsorted(words, of_order)] += (
                    self.tables.shares[order].of(places) * weights[order - 1]
                )
        return words, _at_most_zero(probs).astype(np.float32)

    def unlisted(self, unigrams: Float64Array, weight: float) -> Float32Array:
        """See `Arithmetic.unlisted`."""
        rounded: Float32Array = (unigrams + _logs(np.array([weight]))).astype(np.float32)
        return rounded

    def score(
        self, places: Sequence[IntArray], contexts: IntArray, lengths: IntArray, ranges: Ranges
    ) -> tuple[Float64Array, Float32Array]:
        """See `Arithmetic.score`. The first term is what the others leave of the log probability."""
        own = self._own_weights(contexts, ranges)
        products = _products(own)
        probs = self._probs.take(places[0]) * products[0]
        for order in range(2, self.order + 1):
            found = np.flatnonzero(places[order - 1] >= 0)
            of_order = self.tables.shares[order].of(places[order - 1].take(found))
            probs[found] += of_order * products[order - 1].take(found)
        log_probs = _at_most_zero(probs)
        unlisted = np.flatnonzero(lengths == 1)
        log_probs[unlisted] = self.unigrams.take(places[0].take(unlisted)) + _logs(products[0].take(unlisted))
        terms = np.zeros((self.order, *lengths.shape), dtype=np.float32)
        with np.errstate(divide="ignore"):
            np.log(own, out=terms[1:], casting="same_kind")
        terms[1:][lengths > np.arange(1, self.order)[:, None]] = 0.0
        # If the log probability is -inf, so may the others be.
        terms[0] = np.subtract(log_probs, _added(terms[1:]), out=log_probs.copy(), where=log_probs > -np.inf)
        return log_probs, terms

    def _own_weights(self, contexts: IntArray, ranges: Ranges) -> Float64Array:
        """The weight of each context, (order - 1, B)."""
        own = np.empty(contexts.shape)
        for length in range(1, self.order):
            own[length - 1] = self.tables.weights(length, contexts[length - 1], *ranges[length - 1])
        return own


def _added(terms: Float32Array) -> Float64Array:
    """The sums of the terms of each column, (B,), from the longest context on, as `BackingOff.weights` adds them.

    `numpy.sum` adds eight rows and more in an order that depends on the number of columns.
    """
    sums = np.zeros(terms.shape[1:])
    for of_length in terms[::-1]:
        sums += of_length
    return sums


def _products(own: Float64Array) -> Float64Array:
    """The products of the weights from each order to the highest one, and 1, (order, B)."""
    products = np.ones((len(own) + 1, own.shape[1]))
    for length in range(len(own) - 1, -1, -1):
        np.multiply(products[length + 1], own[length], out=products[length])
    return products


def _logs(probs: Float64Array) -> Float64Array:
    with np.errstate(divide="ignore"):
        logs: Float64Array = np.log(probs)
    return logs


def _at_most_zero(probs: Float64Array) -> Float64Array:
    """Logarithms; a sum of shares may be greater than 1 by a rounding error."""
    return np.minimum(_logs(probs), 0.0)
