"""The n-grams of one order of a model: their last words, and the stretch of n-grams that follows each context.

The n-grams are sorted by context, then by last word. So a context needs the place of its first n-gram alone. Most
contexts have exactly one n-gram, and a bit suffices for each of these. The other contexts are irregular, and the
place of the first n-gram of context c is

    (c - irregular contexts before c) + (n-grams of the irregular contexts before c)

The number of irregular contexts before c is the number up to a multiple of 64, plus the set bits of one word
(rank, Jacobson 1989). The sums of n-grams are offsets from the sum at every 64th irregular context.

    ngrams.<n>.words.npy       id of the last word of each n-gram, in the narrowest type of 8, 16 or 32 bits
    ngrams.<n>.contexts.npy    bytes: the parts that `packing.write_continuations` lists
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.ngram.sizes import table_name
from lmctl.families.ngram.table_files import BYTES, PartsReader, TableFile, index_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Int64Array, IntArray, UInt64Array

# Contexts, and irregular contexts, in a block.
BLOCK, BLOCK_BITS = 64, 6
# Contexts, or n-grams, that are checked, packed or read at once; whole blocks.
CONTEXTS_AT_ONCE = 1 << 18
# Up to this number of searches, a call for each takes less time than steps for all of them.
FEW_SEARCHES = 32


def word_dtype(vocabulary_size: int) -> np.dtype[Any]:
    """The narrowest type for a word id."""
    return np.min_scalar_type(vocabulary_size - 1)


@dataclass(frozen=True, slots=True)
class Continuations:
    """The n-grams of one order n, by context.

    Attributes:
        contexts: the number of contexts, all n-grams of order n - 1.
        words: ids of the last words, (ngrams,).
        irregular: one bit for each context: whether it has none or several n-grams, uint64, (blocks,).
        ranks: number of irregular contexts before each block of 64 contexts, and in all, (blocks + 1,).
        bases: number of n-grams of the irregular contexts before every 64th of them.
        offsets: the number of n-grams of the irregular contexts before each of them, and in the end of all, less
            the base of the block, (irregular + 1,).
    """

    contexts: int
    words: NDArray[Any]
    irregular: UInt64Array
    ranks: NDArray[Any]
    bases: NDArray[Any]
    offsets: NDArray[Any]

    def between(self, contexts: IntArray) -> tuple[Int64Array, Int64Array]:
        """The place of the first n-gram of each context, and the place after its last one.

        Args:
            contexts: places of contexts, (N,), 0 or more.
        """
        blocks = contexts >> BLOCK_BITS
        flags = self.irregular.take(blocks)
        bits = (contexts & (BLOCK - 1)).astype(np.uint64)
        flags >>= bits
        # The bits from the one of the context on are counted, because they need no mask.
        before = self.ranks.take(blocks + 1).astype(np.int64)
        before -= np.bitwise_count(flags)
        of_irregular = self.sums(before)
        first = contexts - before
        first += of_irregular
        stop = first + 1
        flags &= np.uint64(1)
        several = flags.nonzero()[0]
        if len(several):
            stop[several] += self.sums(before.take(several) + 1) - of_irregular.take(several) - 1
        return first, stop

    def irregular_contexts(self) -> Iterator[tuple[Int64Array, Int64Array, Int64Array]]:
        """The irregular contexts, and the ranges of their n-grams as in `between`, in stretches."""
        seen, at_once = 0, CONTEXTS_AT_ONCE // BLOCK
        for start in range(0, len(self.irregular), at_once):
            flags = np.unpackbits(self.irregular[start : start + at_once].view(np.uint8), bitorder="little")
            contexts = np.flatnonzero(flags) + start * BLOCK
            numbers = np.arange(seen, seen + len(contexts) + 1)
            seen += len(contexts)
            sums = self.sums(numbers)
            regular = contexts - numbers[:-1]
            yield contexts, regular + sums[:-1], regular + sums[1:]

    def sums(self, irregular: IntArray) -> Int64Array:
        """Number of n-grams of the irregular contexts before some irregular contexts, given their numbers."""
        sums: Int64Array = self.bases.take(irregular >> BLOCK_BITS).astype(np.int64)
        sums += self.offsets.take(irregular).astype(np.int64)
        return sums

    def find_between(self, first: IntArray, stop: IntArray, words: IntArray) -> tuple[IntArray, IntArray]:
        """Find n-grams by binary search among those of their contexts.

        Args:
            first: place of the first n-gram of each context, (N,).
            stop: place after the last n-gram of each context, (N,).
            words: ids of their last words, (N,).

        Returns:
            Which of the N n-grams there are, and their places.
        """
        lengths = stop - first
        some = np.flatnonzero(lengths > 0)
        places, wanted = first.take(some), words.take(some)
        last = lengths.take(some)
        last += places
        last -= 1
        several = np.flatnonzero(places < last)
        if len(several) <= FEW_SEARCHES:
            bounds = zip(
                places.take(several).tolist(),
                (last.take(several) + 1).tolist(),
                wanted.take(several).astype(self.words.dtype),
                strict=True,
            )
            after = [self.words[start:end].searchsorted(word, "right") for start, end, word in bounds]
            places[several] += np.maximum(np.array(after, dtype=places.dtype) - 1, 0)
        else:
            places[several] = self._search(places.take(several), last.take(several), wanted.take(several))
        same = np.flatnonzero(self.words.take(places) == wanted)
        return some.take(same), places.take(same)

    def _search(self, places: IntArray, last: IntArray, words: IntArray) -> IntArray:
        """The last n-gram of each context whose word is not greater than a word, else the first n-gram.

        Args:
            places: the first n-grams of the contexts.
            last: the last n-grams.
            words: the words.
        """
        step = 1 << int((last - places).max()).bit_length() >> 1
        # The place sought is among the 2 step - 1 that follow.
        while step:
            ahead = places + step
            rows = np.flatnonzero(ahead <= last)
            ahead = ahead.take(rows)
            there = np.flatnonzero(self.words.take(ahead) <= words.take(rows))
            places[rows.take(there)] = ahead.take(there)
            step >>= 1
        return places

    def contexts_of(self, places: IntArray) -> Int64Array:
        """The contexts of n-grams, given their places, (ngrams,). Neighbours take the least time."""
        order = places.argsort(kind="stable")
        rising = places.take(order)
        contexts = np.empty(len(places), dtype=np.int64)
        # Between two n-grams there may be very many contexts that have none, as in an order that was pruned.
        last = self._context_of(int(rising[-1])) if len(rising) else 0
        done = 0
        while done < len(rising):
            first = self._context_of(int(rising[done]))
            _, stop = self.between(np.arange(first, min(first + CONTEXTS_AT_ONCE, last + 1)))
            here = rising[done : done + int(np.searchsorted(rising[done:], stop[-1]))]
            contexts[order[done : done + len(here)]] = first + np.searchsorted(stop, here, side="right")
            done += len(here)
        return contexts

    def _context_of(self, place: int) -> int:
        low, high = 0, self.contexts
        while high - low > 1:
            middle = (low + high) // 2
            if int(self.between(np.array([middle]))[0][0]) <= place:
                low = middle
            else:
                high = middle
        return low


def open_continuations(
    folder: Path, order: int, ngrams: int, contexts: int, vocabulary_size: int
) -> Continuations:
    """Check and memory-map the words and contexts of an order.

    Raises:
        DataError: a table is missing, has another type or length, or has an impossible value.
    """
    words = TableFile.opened(folder / table_name(order, "words"), word_dtype(vocabulary_size), ngrams)
    of_contexts = TableFile.opened(folder / table_name(order, "contexts"), BYTES, None)
    # Two maps, because the pages that were checked go with the first one.
    _check(_mapped(words, of_contexts, contexts), words, of_contexts, vocabulary_size)
    return _mapped(words, of_contexts, contexts)


def _mapped(words: TableFile, of_contexts: TableFile, contexts: int) -> Continuations:
    parts = PartsReader(of_contexts)
    irregular, offset_bytes = parts.take(np.uint64, 2).tolist()
    if irregular > contexts or offset_bytes not in (2, 4, 8):
        raise of_contexts.damaged(f"{irregular} of {contexts} contexts, offsets of {offset_bytes} bytes")
    blocks = -(-contexts // BLOCK)
    found = Continuations(
        contexts,
        words.map(),
        irregular=parts.take(np.uint64, blocks),
        ranks=parts.take(index_dtype(contexts), blocks + 1),
        bases=parts.take(index_dtype(words.length), irregular // BLOCK + 1),
        offsets=parts.take(f"u{offset_bytes}", irregular + 1),
    )
    parts.finish()
    return found


def _check(found: Continuations, words: TableFile, of_contexts: TableFile, vocabulary_size: int) -> None:
    rank = np.cumsum(np.bitwise_count(found.irregular), dtype=np.int64)
    irregular = len(found.offsets) - 1
    if found.ranks[0] or (found.ranks[1:] != rank).any() or found.ranks[-1] != irregular:
        raise of_contexts.damaged("its counts of contexts are wrong")
    if found.contexts % BLOCK and int(found.irregular[-1]) >> found.contexts % BLOCK:
        raise of_contexts.damaged("a context past the last one")
    last = 0
    for start in range(0, irregular + 1, CONTEXTS_AT_ONCE):
        sums = found.sums(np.arange(start, min(start + CONTEXTS_AT_ONCE, irregular + 1)))
        rising = np.concatenate([[last], sums])
        if (rising[1:] < rising[:-1]).any() or (start == 0 and sums[0] != 0):
            raise of_contexts.damaged("its places fall")
        last = int(sums[-1])
    if last + found.contexts - irregular != words.length:
        raise of_contexts.damaged(f"{last + found.contexts - irregular} n-grams, expected {words.length}")
    highest = max((int(stretch.max()) for stretch in words.stretches(CONTEXTS_AT_ONCE)), default=0)
    if highest >= vocabulary_size:
        raise words.damaged(f"a word of id {highest}, but there are only {vocabulary_size}")
    for _, every_first, every_stop in found.irregular_contexts():
        # Stretches of whole contexts, with no more n-grams than this and those of one context.
        numbers = np.cumsum(every_stop - every_first) // CONTEXTS_AT_ONCE
        for rows in np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers)) + 1):
            first, stop = every_first[rows], every_stop[rows]
            of_context = found.words.take(stretches(first, stop))
            falls = of_context[1:] <= of_context[:-1]
            # The first word of a context may be less than the last one of the context before it.
            lengths = stop - first
            falls[np.cumsum(lengths[lengths > 0])[:-1] - 1] = False
            if falls.any():
                raise words.damaged("the words of a context do not rise")


def stretches(first: IntArray, stop: IntArray) -> IntArray:
    """All places from `first` up to `stop`, without `stop`, of each of some stretches, one after the other."""
    lengths = np.maximum(stop - first, 0)
    ends = np.cumsum(lengths)
    every = np.arange(int(ends[-1]) if len(ends) else 0)
    every += np.repeat(first - (ends - lengths), lengths)
    return every
