"""The steps of estimating probabilities (estimation.py), each on one block of n-grams, as in counting_steps.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lmctl.families.ngram.codebook import ShareCounts
from lmctl.families.ngram.columns import Piece, Pieces, is_first, write_pieces
from lmctl.families.ngram.keys import make_keys, split_keys
from lmctl.families.ngram.shares import coded_shares

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float64Array, IntArray


class Shares(Protocol):
    """A smoothing: discounted probabilities, and weights of the lower order; see `kneser_ney.Discounts.shares`."""

    def __call__(self, counts: IntArray, kept: BoolArray, firsts: IntArray) -> tuple[Float64Array, Float64Array]:
        """The shares, and the weights."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """N-grams of the lower order, of which some are contexts of a block.

    Attributes:
        first: place of the first n-gram after the last context of the block before.
        stop: place after the last context of the block.
        start: place of the first n-gram in `kept`, not greater than `first`.
        kept: whether each n-gram from `start` to `stop` was kept.
        kept_before: number of n-grams before `start` that were kept.
    """

    first: int
    stop: int
    start: int
    kept: Pieces
    kept_before: int


@dataclass(frozen=True, slots=True)
class Block:
    """All n-grams of some contexts, one after the other.

    Attributes:
        keys: their keys, rising, (ngrams,).
        counts: their counts in the text, (ngrams,).
        used: the counts from which probabilities are estimated, (ngrams,): adjusted or those of the text.
        suffixes: the places of their suffixes in the lower order, (ngrams,).
        contexts: their contexts.
    """

    keys: Pieces
    counts: Pieces
    used: Pieces
    suffixes: Pieces
    contexts: Contexts


@dataclass(frozen=True, slots=True)
class Estimate:
    """The result for a block.

    Attributes:
        probs: probabilities of all its n-grams, pruned ones included, float32, (ngrams,).
        kept: whether each of them was kept, (ngrams,); both are empty for the highest order.
        keys: keys of those that were kept, with the places of the contexts in the table without pruned n-grams.
        values: their log probabilities, or if the model is quantised, their shares, float32.
        backoffs: logs of the weights of the n-grams of the lower order from `Contexts.first` to `Contexts.stop`
            that were kept, float32; empty if the model is quantised.
        share_counts: what `ShareCounts.counted` returns; empty if the model is not quantised.
    """

    probs: Piece
    kept: Piece
    keys: Piece
    values: Piece
    backoffs: Piece
    share_counts: list[Piece]


@dataclass(frozen=True, slots=True)
class EstimateBlock:
    """Estimates the probabilities of the n-grams of a block.

    Attributes:
        order: the number of words of the n-grams.
        is_last: whether this is the highest order.
        folder: the folder for the files.
        bits: number of bits for a word id in a key.
        is_quantized: whether the model has shares in place of log probabilities.
        threshold: n-grams with this count in the text or less are left out.
        shares: the smoothing.
        below: probabilities of all n-grams of the lower order, float32.
    """

    order: int
    is_last: bool
    folder: Path
    bits: int
    is_quantized: bool
    threshold: int
    shares: Shares
    below: Piece

    def __call__(self, block: Block) -> Estimate:
        """Read the block, and write its probabilities."""
        keys = block.keys.read()
        contexts, words = keys >> np.uint64(self.bits), keys & np.uint64((1 << self.bits) - 1)
        firsts = np.flatnonzero(is_first(contexts))
        kept = block.counts.read() > self.threshold
        own, weights = self.shares(block.used.read(), kept, firsts)
        lengths = np.diff(firsts, append=len(keys))
        probs = own + np.repeat(weights, lengths) * self.below.map()[block.suffixes.read()]
        places, backoffs = self._contexts(block.contexts, contexts[firsts], weights)
        keys_kept = make_keys(np.repeat(places, lengths)[kept], words[kept], self.bits)
        values = own[kept].astype(np.float32) if self.is_quantized else logs(probs[kept])
        counted = ShareCounts()
        if self.is_quantized:
            counted.add(values)
        # Three files, because they are removed at different times.
        for_next = (probs[:0], kept[:0]) if self.is_last else (probs, kept)
        (of_probs,) = write_pieces(self.folder, f"probs.{self.order}", for_next[0].astype(np.float32))
        (of_kept,) = write_pieces(self.folder, f"kept.{self.order}", for_next[1])
        of_keys, of_values, of_backoffs, *share_counts = write_pieces(
            self.folder, f"table.{self.order}", keys_kept, values, backoffs, *counted.counted()
        )
        return Estimate(of_probs, of_kept, of_keys, of_values, of_backoffs, share_counts)

    def _contexts(
        self, lower: Contexts, contexts: IntArray, weights: Float64Array
    ) -> tuple[IntArray, NDArray[np.float32]]:
        """Read the n-grams of the lower order.

        Args:
            lower: these n-grams.
            contexts: places of contexts among all n-grams, rising, (contexts,).
            weights: weight of the lower order in each context, (contexts,).

        Returns:
            The places of the contexts in the table without pruned n-grams, and the logs of the weights.
        """
        kept = lower.kept.read()
        kept_before = np.cumsum(kept)
        places = lower.kept_before + kept_before[contexts.astype(np.int64) - lower.start] - 1
        if self.is_quantized:
            return places, np.empty(0, dtype=np.float32)
        # An n-gram that is no context leaves the whole probability to the lower order.
        of_all = np.ones(lower.stop - lower.first)
        of_all[contexts.astype(np.int64) - lower.first] = weights
        return places, logs(of_all[kept[lower.first - lower.start :]])


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Puts the shares of a block into codes.

    Attributes:
        order: the number of words of the n-grams.
        folder: the folder for the files.
        bits: number of bits for a word id in a key.
        codebook: the values of the codes.
    """

    order: int
    folder: Path
    bits: int
    codebook: Float64Array

    def __call__(self, of_block: tuple[Piece, Piece]) -> list[Piece]:
        """Read keys and shares; write codes, large contexts and their weights (`coded_shares`)."""
        keys, shares = of_block
        coded = coded_shares(self.codebook, split_keys(keys.read(), self.bits)[0], shares.read())
        return write_pieces(self.folder, f"codes.{self.order}", *coded)


def logs(probs: Float64Array) -> NDArray[np.float32]:
    """Natural logs of probabilities; 0 for those that rounding made greater than 1."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(probs), 0.0).astype(np.float32)
