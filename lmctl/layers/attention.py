"""Attention in NumPy: for each position, a weighted mean of the values of the positions that it sees.

The weights are the softmax of the scaled products of a query and the keys, for each of several heads (Vaswani et
al. 2017, arXiv:1706.03762, section 3.2). In causal attention, a position sees itself and the `context` - 1
positions before it. `answer_where` takes any other rule.

A text may be read in pieces of any size, beside other texts. BLAS sums in an order that depends on the shape of
its operands (`layers.products`). Here all sums are exact, so they do not depend on the order. They do not depend
on positions that are not seen either, because the weight of such a position is 0:

- Queries and keys are rounded to whole numbers of 24 bits or fewer; each vector has its own unit. Every partial
  sum of products is a whole number below 2^53.
- The weights of a position are rounded to multiples of 2^-27. Values are rounded to whole numbers of 24 bits, in
  units that follow from a bound on all values of the layer. The weights sum to 1, so partial sums stay below 2^53.

Axes: B batch, T time (positions that are read), M positions in the memory, A heads, K elements of a head's
vectors, D = A * K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.layers.positions import alibi_slopes, rotated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.layers.positions import Positions

# Bits of the mantissa of a float64, of a float32, and bits of an attention weight.
EXACT_BITS, STORED_BITS, WEIGHT_BITS = 53, 24, 27
# An unnormalised weight is at most 1. Sums of multiples of 2^-38 are exact for up to 2^15 positions.
SUM_BITS = 38
MOST_CONTEXT = 1 << 15
# Largest number of scores that are computed at once: 32 MiB as float64.
SCORES_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Memory:
    """Keys and values of the latest positions of each column, the last one at the end.

    A column that has read fewer than M positions has zeros before them. No array is ever changed.

    Attributes:
        keys: whole numbers, (B, M, A, K) float32, rotated if positions are rotary.
        units: the value of the whole number 1 of a key, a power of 2, (B, M, A) float64.
        values: whole numbers in the layer's units, (B, M, A, K) float32.
    """

    keys: Float32Array
    units: Float64Array
    values: Float32Array

    @classmethod
    def empty(cls, batch: int, heads: int, head_dim: int) -> Memory:
        """The memory before the first position: M is 0."""
        vectors = np.zeros((batch, 0, heads, head_dim), dtype=np.float32)
        return cls(vectors, np.zeros((batch, 0, heads)), vectors)

    def joined(self, later: Memory) -> Memory:
        """This memory, then a later one."""
        return Memory(
            np.concatenate([self.keys, later.keys], axis=1),
            np.concatenate([self.units, later.units], axis=1),
            np.concatenate([self.values, later.values], axis=1),
        )

    @classmethod
    def side_by_side(cls, memories: Sequence[Memory]) -> Memory:
        """The columns of several memories, with zeros before the positions of a shorter memory."""
        longest = max(memory.keys.shape[1] for memory in memories)

        def padded(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
            batch = sum(map(len, arrays))
            joined = np.zeros((batch, longest, *arrays[0].shape[2:]), dtype=arrays[0].dtype)
            first = 0
            for array in arrays:
                joined[first : first + len(array), longest - array.shape[1] :] = array
                first += len(array)
            return joined

        return cls(
            padded([memory.keys for memory in memories]),
            padded([memory.units for memory in memories]),
            padded([memory.values for memory in memories]),
        )

    def select_columns(self, columns: IntArray) -> Memory:
        """The memories of some columns, (N,), in any order; a column may occur several times."""
        return Memory(self.keys[columns], self.units[columns], self.values[columns])

    def latest(self, size: int, unread: IntArray) -> Memory:
        """The latest positions.

        Args:
            size: number of positions, at most M.
            unread: number of positions at the end of each column that are padding and left out, (B,).
        """
        first = self.keys.shape[1] - size
        if not unread.any():
            # A view would keep the whole array in memory.
            return Memory(self.keys[:, first:].copy(), self.units[:, first:].copy(), self.values[:, first:].copy())
        places = np.arange(first, self.keys.shape[1]) - unread[:, None]
        columns, there = np.arange(len(unread))[:, None], np.maximum(places, 0)
        kept: Float32Array = (places >= 0).astype(np.float32)[:, :, None]
        return Memory(
            self.keys[columns, there] * kept[..., None],
            self.units[columns, there] * kept,
            self.values[columns, there] * kept[..., None],
        )


class Attention:
    """The heads of one layer, without the matrix products before and after them.

    Args:
        heads: A.
        context: number of positions that a position sees, itself included.
        positions: how a head distinguishes positions.
        value_bounds: upper bounds of the elements of a value, (D,).
    """

    def __init__(self, heads: int, context: int, positions: Positions, value_bounds: Float64Array) -> None:
        self._context = context
        self._positions = positions
        self._head_dim = len(value_bounds) // heads
        self._key_bits = min(STORED_BITS, (EXACT_BITS - math.ceil(math.log2(self._head_dim))) // 2)
        _, exponents = np.frexp(value_bounds)
        # They are powers of 2, so products with them are exact.
        self._value_scales = np.ldexp(1.0, STORED_BITS - exponents).reshape(heads, self._head_dim)
        self._slopes = alibi_slopes(heads) if positions == "alibi" else None

    def remember(self, keys: Float32Array, values: Float32Array, memory: Memory, read: IntArray) -> Memory:
        """Add positions to the end of a memory.

        Args:
            keys: keys of the positions, (B, T, A, K).
            values: values of the positions, (B, T, A, K).
            memory: memory of the positions before.
            read: number of positions that each column has read before, (B,).
        """
        if self._positions == "rotary":
            keys = rotated(keys, read[:, None] + np.arange(keys.shape[1]))
        whole_keys, units = _whole_numbers(keys, self._key_bits)
        whole_values = np.rint(values * self._value_scales)
        return memory.joined(Memory(whole_keys.astype(np.float32), units[..., 0], whole_values.astype(np.float32)))

    def answer(
        self, queries: Float32Array, memory: Memory, places: IntArray, read: IntArray, remembered: int
    ) -> Float32Array:
        """Compute the outputs of the heads, (B, T, A, K).

        Args:
            queries: (B, T, A, K).
            memory: the memory, the positions of the queries included.
            places: the place of each query in the memory, (B, T).
            read: number of positions that each column had read before the last `remember`, (B,).
            remembered: number of places in the memory before the last `remember`.
        """
        if self._positions == "rotary":
            queries = rotated(queries, places - remembered + read[:, None])
        # The first place in the memory at which a column has read something.
        first_read = np.maximum(remembered - read, 0)
        answers = np.empty(queries.shape, dtype=np.float32)
        for block in self._blocks(*places.shape):
            own = places[:, block]
            first, stop = max(0, int(own.min()) - self._context + 1), int(own.max()) + 1
            seen = np.arange(first, stop)
            distances = own[:, :, None] - seen
            is_seen = (distances >= 0) & (distances < self._context) & (seen >= first_read[:, None, None])
            part = Memory(memory.keys[:, first:stop], memory.units[:, first:stop], memory.values[:, first:stop])
            answers[:, block] = self._means(queries[:, block], part, is_seen, distances)
        return answers

    def answer_where(
        self, queries: Float32Array, memory: Memory, places: IntArray, is_seen: BoolArray
    ) -> Float32Array:
        """The answers of the heads, (B, T, A, K), for positions that may also see later positions.

        Args:
            queries: (B, T, A, K).
            memory: all positions of each column, from `remember` with an empty memory and `read` 0.
            places: the place of each query in the memory, (B, T).
            is_seen: whether each query sees each position, (B, T, M). It sees at least one.
        """
        if self._positions == "rotary":
            queries = rotated(queries, places)
        answers = np.empty(queries.shape, dtype=np.float32)
        seen = np.arange(memory.keys.shape[1])
        at_once = max(1, SCORES_AT_ONCE // max(1, len(queries) * len(self._value_scales) * len(seen)))
        for first in range(0, queries.shape[1], at_once):
            block = slice(first, first + at_once)
            distances = np.abs(places[:, block, None] - seen)
            answers[:, block] = self._means(queries[:, block], memory, is_seen[:, block], distances)
        return answers

    def _means(
        self, queries: Float32Array, memory: Memory, is_seen: BoolArray, distances: IntArray
    ) -> Float64Array:
        """The weighted means of values, (B, T, A, K).

        Args:
            queries: rotated if positions are rotary, (B, T, A, K).
            memory: M positions.
            is_seen: whether each query sees each position, (B, T, M).
            distances: of each query and each position, (B, T, M).
        """
        whole_queries, query_units = _whole_numbers(queries, self._key_bits)
        scores = np.matmul(
            whole_queries.transpose(0, 2, 1, 3), memory.keys.astype(np.float64).transpose(0, 2, 3, 1)
        )
        scores *= query_units.transpose(0, 2, 1, 3) / math.sqrt(self._head_dim)
        scores *= memory.units.transpose(0, 2, 1)[:, :, None]
        if self._slopes is not None:
            scores -= self._slopes[:, None, None] * distances[:, None]
        np.copyto(scores, -np.inf, where=~is_seen[:, None])
        weights = _whole_weights(scores)
        heads = np.matmul(weights, memory.values.astype(np.float64).transpose(0, 2, 1, 3))
        means: Float64Array = heads.transpose(0, 2, 1, 3) * (2.0**-WEIGHT_BITS / self._value_scales)
        return means

    def _blocks(self, batch: int, steps: int) -> Iterator[slice]:
        """Cuts T positions into parts of at most `context` positions, with a limited number of scores."""
        heads = len(self._value_scales)
        at_once = min(self._context, max(1, SCORES_AT_ONCE // (batch * heads * 2 * self._context)))
        for first in range(0, steps, at_once):
            yield slice(first, min(first + at_once, steps))


def seen_within_sentences(is_end: BoolArray, is_there: BoolArray) -> BoolArray:
    """Whether each position sees each position, (B, T, T), if a word sees its own sentence on both sides.

    A word sees the positions from the `</s>` before it to the `</s>` at the end of its sentence, both included. A
    `</s>` sees only itself: it belongs to two sentences, and would pass on from one what the other may not see.

    Args:
        is_end: whether each position has a `</s>`, (B, T).
        is_there: whether each position has a token, (B, T). Padding sees only itself, and nothing sees padding.
    """
    # The number of the sentence of each position, from 0; a `</s>` has the number of the sentence that it ends.
    sentence: IntArray = np.cumsum(is_end, axis=1) - is_end
    of_query, of_key = sentence[:, :, None], sentence[:, None]
    seen: BoolArray = (of_key == of_query) | (is_end[:, None] & (of_key == of_query - 1))
    seen &= is_there[:, None] & (is_there & ~is_end)[:, :, None]
    return seen | np.eye(is_end.shape[1], dtype=bool)


def _whole_weights(scores: Float64Array) -> Float64Array:
    """The softmax of scores over the last axis, in whole numbers of 2^-27. The scores are overwritten."""
    # A query sees at least one position, so the maximum is finite.
    scores -= scores.max(axis=3, keepdims=True)
    weights = np.exp(scores.astype(np.float32)).astype(np.float64)
    sums = np.rint(weights * 2.0**SUM_BITS).sum(axis=3, keepdims=True)
    weights *= 2.0 ** (WEIGHT_BITS + SUM_BITS) / sums
    return np.rint(weights, out=weights)


def _whole_numbers(vectors: Float32Array, bits: int) -> tuple[Float64Array, Float64Array]:
    """Vectors (..., K) as whole numbers of at most `bits` bits, and the value of the whole number 1, (..., 1)."""
    # |vector| < 2^exponent.
    _, exponents = np.frexp(np.abs(vectors).max(axis=-1, keepdims=True))
    return np.rint(vectors * np.ldexp(1.0, bits - exponents)), np.ldexp(1.0, exponents - bits)
