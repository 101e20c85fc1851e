"""Keys of n-grams while they are counted, estimated or imported: one integer for the context and the last word.

A key is a uint64: its upper bits are the place of the context (the first n - 1 words, in the table of order n -
1), its lower bits the id of the last word. Sorted keys are sorted by the words from the first to the last. The
tables of a model (tables.py) hold the two parts of the keys separately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.ngram.sizes import word_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, Int64Array, IntArray, UInt64Array

# The place of an n-gram that is not in the table.
ABSENT = -1


@dataclass(frozen=True, slots=True)
class KeyedNgrams:
    """The n-grams of a model in memory, by order, before they are written.

    Attributes:
        vocabulary_size: V.
        keys: keys of the n-grams, rising, (ngrams,); from order 2.
        log_probs: natural log probabilities, (ngrams,).
        backoffs: natural log back-off weights, (ngrams,); not for the highest order.
    """

    vocabulary_size: int
    keys: dict[int, UInt64Array]
    log_probs: dict[int, NDArray[np.floating[Any]]]
    backoffs: dict[int, NDArray[np.floating[Any]]]

    @property
    def order(self) -> int:
        """Number of words of the longest n-grams."""
        return max(self.log_probs)

    @property
    def word_bits(self) -> int:
        """Number of bits for a word id in a key."""
        return word_bits(self.vocabulary_size)

    def find(self, order: int, contexts: IntArray, words: IntArray) -> Int64Array:
        """Find n-grams of an order; see `NgramTables.find`."""
        found = np.full(contexts.shape, ABSENT, dtype=np.int64)
        known = np.flatnonzero(contexts.ravel() >= 0)
        wanted = make_keys(contexts.ravel()[known], words.ravel()[known], self.word_bits)
        keys = self.keys[order]
        places = np.searchsorted(keys, wanted)
        there = places < len(keys)
        there[there] = keys[places[there]] == wanted[there]
        found.ravel()[known[there]] = places[there]
        return found

    def places(self, words: IntArray) -> Int64Array:
        """The places of n-grams, (ngrams,), given their word ids, (ngrams, order); `ABSENT`: not in the tables."""
        places: Int64Array = words[:, 0].astype(np.int64)
        for order in range(2, words.shape[1] + 1):
            places = self.find(order, places, words[:, order - 1])
        return places

    def log_probs_of(self, words: IntArray) -> Float64Array:
        """Natural log probabilities of last words given the words before, (N,), by backing off, for (N, n) ids.

        An n-gram whose log probability is NaN counts as not there.
        """
        costs, found = np.zeros(len(words)), np.full(len(words), np.nan)
        for first in range(words.shape[1]):
            length = words.shape[1] - first
            if length in self.log_probs:
                places = self.places(words[:, first:])
                new = np.isnan(found) & (places >= 0)
                found[new] = self.log_probs[length][places[new]] + costs[new]
            if length > 1 and length - 1 in self.backoffs:
                contexts = self.places(words[:, first:-1])
                costs += np.where(contexts >= 0, self.backoffs[length - 1][np.maximum(contexts, 0)], 0.0)
        return found

    def words(self, order: int, places: IntArray) -> Int64Array:
        """The word ids of n-grams, (ngrams, order), given their places, (ngrams,)."""
        words = np.empty((len(places), order), dtype=np.int64)
        for length in range(order, 1, -1):
            places, words[:, length - 1] = split_keys(self.keys[length][places], self.word_bits)
        words[:, 0] = places
        return words


def make_keys(contexts: IntArray, words: IntArray, bits: int) -> UInt64Array:
    """Make the keys of n-grams.

    Args:
        contexts: places of their contexts.
        words: ids of their last words, of the same shape.
        bits: number of bits for a word id (`word_bits`).
    """
    keys = contexts.astype(np.uint64)
    keys <<= np.uint64(bits)
    keys |= words.astype(np.uint64)
    return keys


def split_keys(keys: UInt64Array, bits: int) -> tuple[Int64Array, Int64Array]:
    """The places of the contexts and the ids of the last words of n-grams, given their keys."""
    words = (keys & np.uint64((1 << bits) - 1)).astype(np.int64)
    return (keys >> np.uint64(bits)).astype(np.int64), words
