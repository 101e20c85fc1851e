"""The tables of an n-gram model: a trie in sorted arrays, each in an .npy file, memory-mapped when read.

An n-gram is identified by its place in the table of its order. The place of a word (order 1) is its id. The
n-grams of a higher order n are sorted by their keys. A key is a uint64: its upper bits are the place of the
context (the first n - 1 words, in the table of order n - 1), its lower bits the id of the last word. So a table is
sorted by the words from the first to the last, the n-grams of a context are neighbours, and an n-gram is found by
one binary search over integers.

    ngrams.<n>.keys.npy        uint64, n > 1
    ngrams.<n>.log_probs.npy   float32, natural log probability of the last word
    ngrams.<n>.backoffs.npy    float32, natural log back-off weight of the n words as a context; n < order

There is no `<s>`: the context of the first word of a sentence is `</s>`. Contexts never include words of the
previous sentence. So the unigram `</s>` has the probability of the end of a sentence, and the back-off weight of
its start. An n-gram whose first word is `</s>` starts a sentence.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import files
from lmctl.corpus.array_file import ArrayHeader, ArrayWriter
from lmctl.errors import DataError
from lmctl.families.ngram.sizes import NgramSizes, table_name
from lmctl.log10 import LN_10, MOST_LOG10_BACKOFFS
from lmctl.records import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Int64Array, IntArray, UInt64Array

    # Checks the next values of a table, and returns the fault; None: there is none.
    Check = Callable[[NDArray[Any]], str | None]

# The place of an n-gram that is not in the table.
ABSENT = -1

# Values that are checked at once when tables are opened.
CHECKED_AT_ONCE = 1 << 20

# Largest sum of the largest back-off weights of all orders, with the rounding error of float32.
_MOST_BACKOFFS_NATS = MOST_LOG10_BACKOFFS * LN_10 * (1 + 1e-6)


@dataclass(frozen=True, slots=True)
class NgramTables:
    """The tables of an n-gram model, by order.

    Attributes:
        sizes: the number of n-grams of each order.
        keys: keys of the n-grams, rising, (ngrams,); from order 2.
        log_probs: natural log probabilities, (ngrams,).
        backoffs: natural log back-off weights, (ngrams,); not for the highest order.
    """

    sizes: NgramSizes
    keys: dict[int, UInt64Array]
    log_probs: dict[int, Float32Array]
    backoffs: dict[int, Float32Array]

    def find(self, order: int, contexts: IntArray, words: IntArray) -> Int64Array:
        """Find n-grams in the table of an order.

        Args:
            order: number of words of the n-grams, 2 or more.
            contexts: places of their contexts, of any shape; may be `ABSENT`.
            words: ids of their last words, of the same shape.

        Returns:
            Places of the n-grams, of the same shape; `ABSENT`: the table does not have the n-gram.
        """
        found = np.full(contexts.shape, ABSENT, dtype=np.int64)
        known = np.flatnonzero(contexts.ravel() >= 0)
        wanted = make_keys(contexts.ravel()[known], words.ravel()[known], self.sizes.word_bits)
        # Sorted keys are neighbours in memory, so the search is faster after sorting.
        rising = np.argsort(wanted)
        known, wanted = known[rising], wanted[rising]
        keys = self.keys[order]
        places = np.searchsorted(keys, wanted)
        there = places < len(keys)
        there[there] = keys[places[there]] == wanted[there]
        found.ravel()[known[there]] = places[there]
        return found

    def continuations(self, order: int, contexts: IntArray) -> tuple[Int64Array, Int64Array]:
        """Find all n-grams of given contexts.

        Args:
            order: number of words of the n-grams, 2 or more.
            contexts: places of the contexts, (B,); may be `ABSENT`.

        Returns:
            For each context the place of its first n-gram, and the place after its last one, (B,) each; equal if
            the context has none.
        """
        known = np.maximum(contexts, 0)
        nothing = np.zeros(len(contexts), dtype=np.int64)
        first = np.searchsorted(self.keys[order], make_keys(known, nothing, self.sizes.word_bits))
        stop = np.searchsorted(self.keys[order], make_keys(known + 1, nothing, self.sizes.word_bits))
        return first, np.where(contexts < 0, first, stop)

    def last_words(self, order: int, places: IntArray) -> Int64Array:
        """The ids of the last words of n-grams, given their places."""
        return places.astype(np.int64) if order == 1 else split_keys(self.keys[order][places], self.sizes)[1]

    def words(self, order: int, places: IntArray) -> Int64Array:
        """The word ids of n-grams, (ngrams, order), given their places, (ngrams,)."""
        words = np.empty((len(places), order), dtype=np.int64)
        for length in range(order, 1, -1):
            places, words[:, length - 1] = split_keys(self.keys[length][places], self.sizes)
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


def split_keys(keys: UInt64Array, sizes: NgramSizes) -> tuple[Int64Array, Int64Array]:
    """The places of the contexts and the ids of the last words of n-grams, given their keys."""
    words = (keys & np.uint64((1 << sizes.word_bits) - 1)).astype(np.int64)
    return (keys >> np.uint64(sizes.word_bits)).astype(np.int64), words


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype(np.uint64 if kind == "keys" else np.float32)


@contextlib.contextmanager
def written_table(folder: Path, order: int, kind: str) -> Iterator[ArrayWriter]:
    """Write a table. The file appears in `folder` when the block ends without an error."""
    with files.written_whole(folder / table_name(order, kind)) as file:
        writer = ArrayWriter(file, _dtype(kind))
        yield writer
        writer.finish()


def open_tables(folder: Path, sizes: NgramSizes) -> NgramTables:
    """Read every table once to check it, and memory-map it.

    Raises:
        DataError: a table is missing, has another type or length, or has an impossible value.
    """
    backoffs = _BackoffCheck()

    def opened(order: int, kind: str) -> NDArray[Any]:
        check: Check
        match kind:
            case "keys":
                check = _KeyCheck(sizes, order)
            case "log_probs":
                check = _fault_in_log_probs
            case _:
                check = partial(backoffs, order)
        return _open_table(folder / table_name(order, kind), _dtype(kind), sizes.ngrams[order - 1], check)

    orders = range(1, sizes.order + 1)
    return NgramTables(
        sizes,
        keys={order: opened(order, "keys") for order in orders[1:]},
        log_probs={order: opened(order, "log_probs") for order in orders},
        backoffs={order: opened(order, "backoffs") for order in orders[:-1]},
    )


def _open_table(path: Path, dtype: np.dtype[Any], length: int, check: Check) -> NDArray[Any]:
    if path.is_symlink() or not path.is_file():
        raise DataError(f"{path}: expected a table of this model; it is missing or a link")
    with open_regular(path) as file:
        header, size = ArrayHeader.read(file), os.fstat(file.fileno()).st_size
        if header is None:
            raise DataError(f"{path}: damaged; it does not start as a table does")
        start, expected_bytes = header.start, header.start + length * dtype.itemsize
        if not header.is_of(dtype, length) or size != expected_bytes:
            raise DataError(
                f"{path}: {header} in {size} bytes, but the sizes in model.json "
                f"want {dtype.str} ({length},) in {expected_bytes}"
            )
        file.seek(start)
        # The values are read and not mapped for this check, because the pages of a map would stay in memory.
        while (values := np.fromfile(file, dtype, CHECKED_AT_ONCE)).size:
            if fault := check(values):
                raise DataError(f"{path}: damaged; {fault}")
    # An empty array cannot be mapped.
    return np.asarray(np.memmap(path, dtype, "r", start, (length,))) if length else np.empty(0, dtype)


class _KeyCheck:
    """Checks that keys rise, and that their contexts and words exist."""

    def __init__(self, sizes: NgramSizes, order: int) -> None:
        self._sizes = sizes
        self._contexts = sizes.ngrams[order - 2]
        self._last = np.empty(0, dtype=np.uint64)

    def __call__(self, keys: UInt64Array) -> str | None:
        run = np.concatenate([self._last, keys])
        self._last = keys[-1:]
        if (run[1:] <= run[:-1]).any():
            return "its keys do not rise"
        contexts, words = split_keys(keys, self._sizes)
        if contexts[-1] >= self._contexts:
            return f"a context at {contexts[-1]}, but there are only {self._contexts}"
        if words.max() >= self._sizes.vocabulary_size:
            return f"a word of id {words.max()}, but there are only {self._sizes.vocabulary_size}"
        return None


def _fault_in_log_probs(values: Float32Array) -> str | None:
    # The comparison is false for NaN, too.
    return None if (values <= 0).all() else "a log probability that is not 0 or less"


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
