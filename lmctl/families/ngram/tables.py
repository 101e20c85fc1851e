"""The tables of an n-gram model: a trie in sorted arrays, each in an .npy file, memory-mapped when read.

An n-gram is identified by its place in the table of its order. The place of a word (order 1) is its id. The
n-grams of a higher order n are sorted by the place of their context (the first n - 1 words, in the table of order
n - 1), then by the id of their last word. So a table is sorted by the words from the first to the last, the
n-grams of a context are neighbours, and an n-gram is found by a binary search among those of its context
(continuations.py).

    ngrams.<n>.words.npy, ngrams.<n>.contexts.npy    the n-grams; n > 1; see continuations.py
    ngrams.<n>.log_probs.npy   float32, natural log probability of the last word
    ngrams.<n>.backoffs.npy    float32, natural log back-off weight of the n words as a context; n < order

In place of the last two, a quantised model has ngrams.1.probs.npy and ngrams.<n>.shares.npy (shares.py).

There is no `<s>`: the context of the first word of a sentence is `</s>`. Contexts never include words of the
previous sentence. So the unigram `</s>` has the probability of the end of a sentence, and the back-off weight of
its start. An n-gram whose first word is `</s>` starts a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.ngram.continuations import Continuations, open_continuations
from lmctl.families.ngram.keys import ABSENT
from lmctl.families.ngram.shares import Shares, open_shares
from lmctl.families.ngram.sizes import NgramSizes, table_name
from lmctl.families.ngram.table_files import TableFile
from lmctl.log10 import LN_10, MOST_LOG10_BACKOFFS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, Int64Array, IntArray

    # Checks the next values of a table, and returns the fault; None: there is none.
    Check = Callable[[NDArray[Any]], str | None]

# Values that are checked at once when tables are opened.
CHECKED_AT_ONCE = 1 << 20

# Largest sum of the largest back-off weights of all orders, with the rounding error of float32.
_MOST_BACKOFFS_NATS = MOST_LOG10_BACKOFFS * LN_10 * (1 + 1e-6)


@dataclass(frozen=True, slots=True)
class NgramTables:
    """The tables of an n-gram model, by order.

    Attributes:
        sizes: the number of n-grams of each order.
        ngrams: the n-grams; from order 2.
        log_probs: natural log probabilities, (ngrams,); empty if the model is quantised.
        backoffs: natural log back-off weights, (ngrams,); not for the highest order; empty if quantised.
        probs: the probabilities of the words, (V,), if the model is quantised.
        shares: the shares of the n-grams, from order 2, if the model is quantised.
    """

    sizes: NgramSizes
    ngrams: dict[int, Continuations]
    log_probs: dict[int, Float32Array]
    backoffs: dict[int, Float32Array]
    probs: Float32Array
    shares: dict[int, Shares]

    def find(self, order: int, contexts: IntArray, words: IntArray) -> Int64Array:
        """Find n-grams in the table of an order.

        Args:
            order: number of words of the n-grams, 2 or more.
            contexts: places of their contexts, of any shape; may be `ABSENT`.
            words: ids of their last words, of the same shape.

        Returns:
            Places of the n-grams, of the same shape; `ABSENT`: the table does not have the n-gram.
        """
        return self.find_between(order, *self.continuations(order, contexts.ravel()), words)

    def find_between(self, order: int, first: IntArray, stop: IntArray, words: IntArray) -> Int64Array:
        """Find n-grams as `find` does, given the ranges of their contexts (`continuations`), (N,) each."""
        places = np.full(words.shape, ABSENT, dtype=np.int64)
        found, at = self.ngrams[order].find_between(first, stop, words.ravel())
        places.ravel()[found] = at
        return places

    def continuations(self, order: int, contexts: IntArray) -> tuple[IntArray, IntArray]:
        """Find all n-grams of given contexts.

        Args:
            order: number of words of the n-grams, 2 or more.
            contexts: places of the contexts, (B,); may be `ABSENT`.

        Returns:
            For each context the place of its first n-gram, and the place after its last one, (B,) each; 0 and 0 if
            the context is `ABSENT`.
        """
        known = contexts >= 0
        if known.all():
            return self.ngrams[order].between(contexts)
        first = np.zeros(len(contexts), dtype=np.int64)
        stop = np.zeros(len(contexts), dtype=np.int64)
        first[known], stop[known] = self.ngrams[order].between(contexts[known])
        return first, stop

    def last_words(self, order: int, places: IntArray) -> Int64Array:
        """The ids of the last words of n-grams, given their places."""
        words = places if order == 1 else self.ngrams[order].words[places]
        return words.astype(np.int64)

    def words(self, order: int, places: IntArray) -> Int64Array:
        """The word ids of n-grams, (ngrams, order), given their places, (ngrams,). They should be neighbours."""
        words = np.empty((len(places), order), dtype=np.int64)
        for length in range(order, 1, -1):
            words[:, length - 1] = self.ngrams[length].words[places]
            places = self.ngrams[length].contexts_of(places)
        words[:, 0] = places
        return words

    def as_backing_off(self, order: int, first: int, stop: int) -> tuple[Float32Array, Float32Array | None]:
        """The natural log probabilities and back-off weights of the n-grams from place `first` up to `stop`.

        Quantised shares are summed, so that the numbers are those of the same model as a back-off model. The
        weights of the highest order are None.
        """
        if self.sizes.quantize == 32:
            backoffs = self.backoffs[order][first:stop] if order < self.sizes.order else None
            return self.log_probs[order][first:stop], backoffs
        places = np.arange(first, stop)
        words = self.words(order, places)
        probs = self.probs[words[:, -1]].astype(np.float64)
        for length in range(2, order + 1):
            # The end of the n-gram of this length is in the tables, because estimation leaves out no such end.
            contexts = words[:, order - length].astype(np.int64)
            for shorter in range(2, length):
                contexts = self.find(shorter, contexts, words[:, order - length + shorter - 1])
            probs *= self.weights(length - 1, contexts, *self.continuations(length, contexts))
            found = self.find(length, contexts, words[:, -1])
            there = found >= 0
            probs[there] += self.shares[length].of(found[there])
        logs = np.minimum(_log(probs), 0.0).astype(np.float32)
        if order == self.sizes.order:
            return logs, None
        weights = self.weights(order, places, *self.continuations(order + 1, places))
        return logs, _log(weights).astype(np.float32)

    def weights(self, length: int, contexts: IntArray, first: IntArray, stop: IntArray) -> Float64Array:
        """The weights of the lower order in contexts of a quantised model, (B,).

        Args:
            length: number of words of the contexts.
            contexts: places of the contexts, (B,); may be `ABSENT`, with weight 1.
            first: place of the first n-gram of each context; see `continuations`.
            stop: place after the last one.
        """
        return self.shares[length + 1].weights_of(contexts, first, stop)


def _log(probs: Float64Array) -> Float64Array:
    with np.errstate(divide="ignore"):
        logs: Float64Array = np.log(probs)
    return logs


def open_tables(folder: Path, sizes: NgramSizes) -> NgramTables:
    """Read every table once to check it, and memory-map it.

    Raises:
        DataError: a table is missing, has another type or length, or has an impossible value.
    """
    backoffs = _BackoffCheck()

    def opened(order: int, kind: str, check: Check) -> NDArray[Any]:
        file = TableFile.opened(folder / table_name(order, kind), np.dtype(np.float32), sizes.ngrams[order - 1])
        for values in file.stretches(CHECKED_AT_ONCE):
            if fault := check(values):
                raise file.damaged(fault)
        return file.map()

    orders = range(1, sizes.order + 1)
    ngrams = {
        order: open_continuations(
            folder, order, sizes.ngrams[order - 1], sizes.ngrams[order - 2], sizes.vocabulary_size
        )
        for order in orders[1:]
    }
    if sizes.quantize == 8:
        return NgramTables(
            sizes,
            ngrams,
            log_probs={},
            backoffs={},
            probs=opened(1, "probs", _fault_in_probs),
            shares={order: open_shares(folder, order, ngrams[order]) for order in orders[1:]},
        )
    return NgramTables(
        sizes,
        ngrams,
        log_probs={order: opened(order, "log_probs", _fault_in_log_probs) for order in orders},
        backoffs={order: opened(order, "backoffs", partial(backoffs, order)) for order in orders[:-1]},
        probs=np.empty(0, dtype=np.float32),
        shares={},
    )


def _fault_in_log_probs(values: Float32Array) -> str | None:
    # The comparison is false for NaN, too.
    return None if (values <= 0).all() else "a log probability that is not 0 or less"


def _fault_in_probs(values: Float32Array) -> str | None:
    return None if ((values >= 0) & (values <= 1)).all() else "a probability that is not between 0 and 1"


class _BackoffCheck:
    """Checks that back-off weights are numbers, and that exp() of the sum of the largest ones is finite."""

    def __init__(self) -> None:
        self._largest: dict[int, float] = {}

    def __call__(self, order: int, values: Float32Array) -> str | None:
        if not (values < np.inf).all():
            return "a back-off that is not a number below exp's range"
        self._largest[order] = max(self._largest.get(order, 0.0), float(values.max()))
        if sum(self._largest.values()) > _MOST_BACKOFFS_NATS:
            return f"back-offs that add up to more than 10^{MOST_LOG10_BACKOFFS:g}"
        return None
