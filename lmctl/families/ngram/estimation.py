"""Estimating the probability of every n-gram from its count, order by order, in blocks of contexts."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from lmctl import progress
from lmctl.errors import DataError, UsageError
from lmctl.families.ngram import columns, maximum_likelihood
from lmctl.families.ngram.columns import Column, is_first
from lmctl.families.ngram.continuations import write_continuations
from lmctl.families.ngram.counts import count_ngrams
from lmctl.families.ngram.keys import make_keys, split_keys
from lmctl.families.ngram.kneser_ney import Discounts, adjusted_counts
from lmctl.families.ngram.shares import write_shares
from lmctl.families.ngram.sizes import NgramSizes, word_bits
from lmctl.families.ngram.table_files import written_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray, UInt64Array
    from lmctl.corpus.array_file import ArrayWriter
    from lmctl.families.ngram.counts import OrderCounts


logger = logging.getLogger(__name__)


class _Shares(Protocol):
    """A smoothing: discounted probabilities, and weights of the lower order; see `kneser_ney.Discounts.shares`."""

    def __call__(
        self, counts: IntArray, kept: BoolArray, firsts: IntArray
    ) -> tuple[Float64Array, Float64Array]: ...


def estimate(
    token_ids: IntArray,
    vocabulary_size: int,
    folder: Path,
    *,
    order: int,
    smoothing: Literal["kneser-ney", "mle"],
    pruning: Sequence[int] = (),
    quantize: Literal[8, 32] = 32,
    scratch: Path | None = None,
) -> NgramSizes:
    """Estimate an n-gram model from an id stream, and write its tables.

    Args:
        token_ids: the training text, (tokens,); `</s>` ends each sentence. May be memory-mapped.
        vocabulary_size: V; every id is less.
        folder: the folder for the tables.
        order: number of words of the longest n-grams.
        smoothing: "kneser-ney" or "mle"; see kneser_ney.py and maximum_likelihood.py.
        pruning: a threshold for each order from 1: n-grams with this count or less are left out. The last
            threshold holds for all higher orders. The first is 0, and thresholds never fall, so the contexts of
            all n-grams that are kept are kept, too.
        quantize: 8: write quantised shares (shares.py), only with "kneser-ney", since relative frequencies leave
            nothing to shorter n-grams; 32: write log probabilities and back-off weights as float32.
        scratch: a folder for temporary files, some 60 bytes a token, removed afterwards; None: the system's
            folder.

    Returns:
        The sizes of the tables.

    Raises:
        UsageError: `pruning` has too many thresholds, does not start with 0, or falls; or `quantize` does not fit
            `smoothing`.
        DataError: the text is empty.
    """
    thresholds = [*pruning, *[pruning[-1] if pruning else 0] * (order - len(pruning))]
    if len(pruning) > order or thresholds[0] != 0 or thresholds != sorted(thresholds):
        raise UsageError(
            f"pruning {list(pruning)}: expected at most {order} counts that do not fall, the first of them 0"
        )
    if quantize == 8 and smoothing != "kneser-ney":
        raise UsageError(f"quantize 8: expected smoothing kneser-ney, got {smoothing}")
    if not len(token_ids):
        raise DataError("no text to count n-grams in")
    with tempfile.TemporaryDirectory(dir=scratch, prefix="ngrams.") as temporary:
        work = Path(temporary)
        counts = count_ngrams(token_ids, vocabulary_size, order, work)
        bits = word_bits(vocabulary_size)
        used = [of_order.counts for of_order in counts]
        if smoothing == "kneser-ney":
            used = adjusted_counts(counts, bits, work)
        estimator = _Estimator(vocabulary_size, quantize, folder, work)
        ngrams = []
        for length, (of_order, column, threshold) in enumerate(
            zip(counts, used, thresholds, strict=True), start=1
        ):
            shares = (
                Discounts.of(length, column).shares if smoothing == "kneser-ney" else maximum_likelihood.shares
            )
            if length == 1:
                ngrams.append(estimator.write_words(column, shares))
            else:
                ngrams.append(estimator.write_order(length, of_order, column, threshold, shares))
            logger.debug("order %d: %d n-grams, %d kept", length, len(of_order), ngrams[-1])
    return NgramSizes(vocabulary_size=vocabulary_size, smoothing=smoothing, quantize=quantize, ngrams=ngrams)


class _Estimator:
    """Writes the tables order by order. The probabilities of the lower order are on disk meanwhile."""

    def __init__(self, vocabulary_size: int, quantize: Literal[8, 32], folder: Path, scratch: Path) -> None:
        self._vocabulary_size = vocabulary_size
        self._bits = word_bits(vocabulary_size)
        self._quantize = quantize
        self._folder = folder
        self._scratch = scratch
        # Probabilities of all n-grams of the lower order, pruned ones included.
        self._probs = Column(scratch / "probs.0", np.float32)
        # Whether each n-gram of the lower order was kept.
        self._kept = Column(scratch / "kept.0", np.bool_)

    def write_words(self, counts: Column, shares: _Shares) -> int:
        """Write order 1, with all words. The distribution of the lower order is uniform."""
        words = len(counts)
        kept = np.ones(words, dtype=bool)
        own, weight = shares(counts.read(0, words), kept, np.zeros(1, dtype=np.int64))
        probs = own + weight[0] / words
        with written_table(self._folder, 1, "probs" if self._quantize == 8 else "log_probs") as table:
            table.append(probs if self._quantize == 8 else _logs(probs))
        self._probs.append(probs)
        self._kept.append(kept)
        return words

    def write_order(
        self, order: int, counted: OrderCounts, counts: Column, threshold: int, shares: _Shares
    ) -> int:
        """Write an order from 2 on, and the back-off weights of the lower order.

        Args:
            order: number of words of the n-grams.
            counted: the n-grams and their counts in the text.
            counts: the counts from which probabilities are estimated, (ngrams,): adjusted or those of the text.
            threshold: n-grams with this count in the text or less are left out.
            shares: the smoothing.

        Returns:
            Number of n-grams that were kept.
        """
        below, below_kept = self._probs.map(), self._kept
        self._probs = Column(self._scratch / f"probs.{order}", np.float32)
        self._kept = Column(self._scratch / f"kept.{order}", np.bool_)
        keys_kept = Column(self._scratch / f"kept_keys.{order}", np.uint64)
        # Quantised models need the shares. Their back-off weights follow from these.
        shares_kept = Column(self._scratch / f"kept_shares.{order}", np.float32)
        with contextlib.ExitStack() as files:
            log_probs_table = backoffs_table = None
            if self._quantize == 32:
                log_probs_table = files.enter_context(written_table(self._folder, order, "log_probs"))
                backoffs_table = files.enter_context(written_table(self._folder, order - 1, "backoffs"))
            lower = _Contexts(below_kept, backoffs_table)
            for start, keys in _whole_contexts(counted.keys, self._bits):
                progress.tell(f"estimating {order}-grams", start, len(counted))
                stop = start + len(keys)
                contexts, words = keys >> np.uint64(self._bits), keys & np.uint64((1 << self._bits) - 1)
                firsts = np.flatnonzero(is_first(contexts))
                kept = counted.counts.read(start, stop) > threshold
                own, weights = shares(counts.read(start, stop), kept, firsts)
                every_weight = np.repeat(weights, np.diff(firsts, append=len(keys)))
                probs = own + every_weight * below[counted.suffixes.read(start, stop)]
                places = np.repeat(lower.places(contexts[firsts], weights), np.diff(firsts, append=len(keys)))
                keys_kept.append(make_keys(places[kept], words[kept], self._bits))
                if log_probs_table is None:
                    shares_kept.append(own[kept])
                else:
                    log_probs_table.append(_logs(probs[kept]))
                self._probs.append(probs)
                self._kept.append(kept)
            contexts_kept = lower.finish()
        ngrams = len(keys_kept)
        write_continuations(
            self._folder, order, keys_kept.stretches(), contexts_kept, self._vocabulary_size, self._scratch
        )
        if self._quantize == 8:
            write_shares(self._folder, order, contexts_kept, partial(self._with_shares, keys_kept, shares_kept))
        keys_kept.delete()
        shares_kept.delete()
        return ngrams

    def _with_shares(self, keys: Column, shares: Column) -> Iterator[tuple[IntArray, Float32Array]]:
        """The contexts and shares of n-grams, in blocks of whole contexts."""
        for start, block in _whole_contexts(keys, self._bits):
            yield split_keys(block, self._bits)[0], shares.read(start, start + len(block))


class _Contexts:
    """Reads the n-grams of an order as the contexts of the next order; writes their back-off weights.

    Args:
        kept: whether each n-gram was kept.
        backoffs: the table of back-off weights to write; None: they are not written.
    """

    def __init__(self, kept: Column, backoffs: ArrayWriter | None) -> None:
        self._kept = kept
        self._backoffs = backoffs
        self._read = 0
        self._kept_so_far = 0

    def places(self, contexts: IntArray, weights: Float64Array) -> IntArray:
        """The places of contexts in the table without pruned n-grams. Calls must be in rising order.

        Args:
            contexts: places of contexts among all n-grams, rising, (contexts,).
            weights: weight of the lower order in each context, (contexts,).
        """
        read, self._read = self._read, int(contexts[-1]) + 1
        there = contexts.astype(np.int64) - read
        kept = self._kept.read(read, self._read)
        kept_before = np.cumsum(kept)
        places = self._kept_so_far + kept_before[there] - 1
        self._kept_so_far += int(kept_before[-1])
        if self._backoffs is not None:
            # An n-gram that is no context leaves the whole probability to the lower order.
            of_all = np.ones(len(kept))
            of_all[there] = weights
            self._backoffs.append(_logs(of_all[kept]))
        return places

    def finish(self) -> int:
        """Write the back-off weights of the remaining n-grams, which are no contexts.

        Returns:
            The number of n-grams that were kept.
        """
        for start in range(self._read, len(self._kept), columns.VALUES_AT_ONCE):
            kept = self._kept.read(start, min(start + columns.VALUES_AT_ONCE, len(self._kept)))
            more = int(np.count_nonzero(kept))
            self._kept_so_far += more
            if self._backoffs is not None:
                self._backoffs.append(np.zeros(more, dtype=np.float32))
        return self._kept_so_far


def _whole_contexts(keys: Column, bits: int) -> Iterator[tuple[int, UInt64Array]]:
    """All keys in blocks. The n-grams of a context are all in one block.

    Yields:
        The place of the first key of a block, and its keys. A block has more than `VALUES_AT_ONCE` keys only if a
        single context has.
    """
    start, size = 0, columns.VALUES_AT_ONCE
    while start < len(keys):
        block = keys.read(start, min(start + size, len(keys)))
        if start + len(block) < len(keys):
            last_context = block[-1] >> np.uint64(bits)
            whole = int(np.searchsorted(block, last_context << np.uint64(bits)))
            if not whole:
                size *= 2
                continue
            block = block[:whole]
        yield start, block
        start, size = start + len(block), columns.VALUES_AT_ONCE


def _logs(probs: Float64Array) -> NDArray[np.float32]:
    """Natural logs of probabilities; 0 for those that rounding made greater than 1."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(probs), 0.0).astype(np.float32)
