r"""Quantised n-grams: the share of each n-gram as a code, and the weights of contexts that follow from the shares.

Interpolated smoothing gives a word the probability

    p(word | context) = share(context word) + weight(context) p(word | context without its first word)

The share is 0 if the n-gram is not in the table. The weight is 1 minus the sum of all shares of the context. So a
model stores no weights for most contexts, and its distributions sum to 1 with any quantised shares: the weight is
computed from the values that the codes stand for. Back-off models with quantised probabilities and back-off
weights, as in KenLM, do not have this property.

    ngrams.1.probs.npy       float32, probabilities of the words
    ngrams.<n>.shares.npy    bytes: the number of contexts with more than `MOST_SUMMED` n-grams; the codebook;
                             the places of these contexts; their weights, float32; the codes, of 8 or 4 bits
                             (`sizes.share_bits`), the lower 4 bits of a byte first
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.ngram import codebook as codebooks
from lmctl.families.ngram.columns import is_first
from lmctl.families.ngram.continuations import Continuations, stretches
from lmctl.families.ngram.sizes import share_bits, table_name
from lmctl.families.ngram.table_files import BYTES, PartsReader, PartsWriter, TableFile, index_dtype, written_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, Int64Array, IntArray
    from lmctl.families.ngram.columns import Piece

# The weight of a context with more n-grams than this is stored; else the shares are summed when it is asked for.
MOST_SUMMED = 8


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of one order, and the weights of its contexts.

    Attributes:
        bits: number of bits of a code, 8 or 4.
        codebook: the values of the codes, rising, (2^bits,).
        codes: the codes, (ngrams,) for 8 bits, (ngrams / 2,) for 4.
        large: places of the contexts with more than `MOST_SUMMED` n-grams, rising.
        weights: the weights of these contexts.
    """

    bits: int
    codebook: Float64Array
    codes: NDArray[np.uint8]
    large: NDArray[Any]
    weights: Float32Array

    def of(self, places: IntArray) -> Float64Array:
        """The shares of n-grams, of any shape, given their places."""
        if self.bits == 8:
            return self.codebook.take(self.codes.take(places))
        codes = self.codes.take(places >> 1)
        codes >>= ((places & 1) << 2).astype(np.uint8)
        codes &= np.uint8(15)
        return self.codebook.take(codes)

    def weights_of(self, contexts: IntArray, first: IntArray, stop: IntArray) -> Float64Array:
        """The weights of contexts, (N,).

        Args:
            contexts: places of the contexts, (N,).
            first: place of the first n-gram of each context, (N,).
            stop: place after the last n-gram of each context, (N,).
        """
        lengths = stop - first
        weights = np.ones(len(lengths))
        few = np.flatnonzero((lengths > 0) & (lengths <= MOST_SUMMED))
        if len(few):
            of_few = lengths.take(few)
            if of_few.max() == 1:
                weights[few] -= self.of(first.take(few))
            else:
                ends = np.cumsum(of_few)
                places = stretches(first.take(few), stop.take(few))
                weights[few] -= np.add.reduceat(self.of(places), ends - of_few)
        many = np.flatnonzero(lengths > MOST_SUMMED)
        if len(many):
            weights[many] = self.weights.take(np.searchsorted(self.large, contexts.take(many)))
        return weights


def write_shares(
    folder: Path, order: int, contexts: int, codebook: Float64Array, blocks: Sequence[Sequence[Piece]]
) -> None:
    """Write the shares of an order, and the weights of its contexts.

    Args:
        folder: the folder for the tables.
        order: number of words of the n-grams.
        contexts: the number of n-grams of the lower order.
        codebook: the values of the codes, (2^bits,).
        blocks: what `coded_shares` returns for all n-grams, in blocks of whole contexts.
    """
    with written_table(folder, order, "shares", BYTES) as table:
        parts = PartsWriter(table)
        parts.part(np.array([sum(len(large) for _, large, _ in blocks)], dtype=np.uint64))
        parts.part(codebook.astype(np.float32))
        for column, dtype in ((1, index_dtype(contexts)), (2, np.dtype(np.float32))):
            for block in blocks:
                parts.append(block[column].read().astype(dtype))
            parts.end()
        rest = np.empty(0, dtype=np.uint8)
        for of_block, _, _ in blocks:
            codes = np.concatenate([rest, of_block.read()])
            if share_bits(order) == 4:
                # An odd code waits for the next block.
                rest = codes[len(codes) // 2 * 2 :]
                codes = codes[:-1:2] | codes[1::2] << np.uint8(4)
            parts.append(codes)
        if len(rest):
            parts.append(rest)
        parts.end()


def coded_shares(
    codebook: Float64Array, contexts: IntArray, shares: Float32Array
) -> tuple[NDArray[np.uint8], IntArray, Float32Array]:
    """Put the shares of whole contexts into codes.

    Args:
        codebook: the values of the codes.
        contexts: places of the contexts of n-grams, rising, (ngrams,).
        shares: their shares, (ngrams,).

    Returns:
        The codes, (ngrams,); the contexts with more than `MOST_SUMMED` n-grams, and the weights that the codes
        leave to the lower order in these contexts.
    """
    codes, firsts, _, left = _coded(codebook, contexts, shares)
    many = np.diff(firsts, append=len(contexts)) > MOST_SUMMED
    return codes.astype(np.uint8), contexts[firsts[many]], left[many].astype(np.float32)


def _coded(
    codebook: Float64Array, contexts: IntArray, shares: Float32Array
) -> tuple[Int64Array, Int64Array, Float64Array, Float64Array]:
    """The codes of the shares of whole contexts.

    The shares of a context whose weight would be less than half of the exact one are rounded down. Then the weight
    is not less than the exact one, so no word loses its probability.

    Returns:
        The codes, (ngrams,); the place of the first n-gram of each context, (contexts,); and for each context the
        exact weight and the weight that the codes leave.
    """
    codes = codebooks.nearest(codebook, shares)
    if not len(shares):
        return codes, codes, np.empty(0), np.empty(0)
    firsts = np.flatnonzero(is_first(contexts))
    exact = 1 - np.add.reduceat(shares.astype(np.float64), firsts)
    left = 1 - np.add.reduceat(codebook[codes], firsts)
    small = left < exact / 2
    if small.any():
        rows = np.repeat(small, np.diff(firsts, append=len(shares)))
        codes[rows] = codebooks.below(codebook, shares[rows])
        left = 1 - np.add.reduceat(codebook[codes], firsts)
    return codes, firsts, exact, left


def open_shares(folder: Path, order: int, of_order: Continuations) -> Shares:
    """Check and memory-map the shares of an order.

    Raises:
        DataError: a table is missing, has another type or length, or has an impossible value.
    """
    file = TableFile.opened(folder / table_name(order, "shares"), BYTES, None)
    # Two maps, because the pages that were checked go with the first one.
    _check(_mapped(file, order, of_order), of_order, file)
    return _mapped(file, order, of_order)


def _mapped(file: TableFile, order: int, of_order: Continuations) -> Shares:
    parts, bits = PartsReader(file), share_bits(order)
    large = int(parts.take(np.uint64, 1)[0])
    codebook = parts.take(np.float32, 1 << bits).astype(np.float64)
    found = Shares(
        bits,
        codebook,
        large=parts.take(index_dtype(of_order.contexts), large),
        weights=parts.take(np.float32, large),
        codes=parts.take(np.uint8, -(-len(of_order.words) * bits // 8)),
    )
    parts.finish()
    return found


def _check(found: Shares, of_order: Continuations, file: TableFile) -> None:
    values, weights = found.codebook, found.weights
    # Comparisons with NaN are false.
    if not ((values >= 0) & (values < 1)).all() or (values[1:] < values[:-1]).any():
        raise file.damaged("its codebook does not rise from 0 or more to less than 1")
    if not ((weights >= 0) & (weights <= 1)).all():
        raise file.damaged("a weight that is not between 0 and 1")
    large = [np.empty(0, dtype=np.int64)]
    for contexts, first, stop in of_order.irregular_contexts():
        many = stop - first > MOST_SUMMED
        large.append(contexts[many])
        few = ~many
        if (found.weights_of(contexts[few], first[few], stop[few]) < 0).any():
            raise file.damaged("shares that add up to more than 1")
    if not np.array_equal(np.concatenate(large), found.large):
        raise file.damaged(f"the weights are not those of the contexts with more than {MOST_SUMMED} n-grams")
