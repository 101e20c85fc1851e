"""From counts to tables: the probability of every n-gram, order by order, a block of contexts at a time."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from lmctl import progress
from lmctl.errors import DataError, UsageError
from lmctl.families.ngram import columns, maximum_likelihood
from lmctl.families.ngram.columns import Column, is_first
from lmctl.families.ngram.counts import count_ngrams
from lmctl.families.ngram.kneser_ney import Discounts, adjusted_counts
from lmctl.families.ngram.sizes import NgramSizes, word_bits
from lmctl.families.ngram.tables import make_keys, written_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float64Array, IntArray, UInt64Array
    from lmctl.corpus.array_file import ArrayWriter
    from lmctl.families.ngram.counts import OrderCounts


logger = logging.getLogger(__name__)


class _Shares(Protocol):
    """What n-grams have of their own, and what their contexts have left for the order below; see kneser_ney.py."""

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
    scratch: Path | None = None,
) -> NgramSizes:
    """Estimate an n-gram model from an id stream and write its tables.

    Args:
        token_ids: the corpus, (tokens,); `</s>` ends each sentence. May be memory-mapped.
        vocabulary_size: all ids are below.
        folder: where the tables go.
        order: words of the longest n-grams.
        smoothing: "kneser-ney" or "mle"; see kneser_ney.py and maximum_likelihood.py.
        pruning: for each order, n-grams that occur so often or less are left out; the last one holds for all
            higher orders. Words are never left out, and what is left out of an order is left out of those above.
        scratch: where a folder for what does not fit in memory is made, and removed in the end:
            some 50 bytes a token.

    Returns:
        The sizes of the tables, with the names of their files.

    Raises:
        UsageError: the thresholds of pruning are not 0 for words, or fall.
        DataError: there is no text.
    """
    thresholds = [*pruning, *[pruning[-1] if pruning else 0] * (order - len(pruning))]
    if len(pruning) > order or thresholds[0] != 0 or thresholds != sorted(thresholds):
        raise UsageError(
            f"pruning {list(pruning)}: expected at most {order} counts that do not fall, the first of them 0"
        )
    if not len(token_ids):
        raise DataError("no text to count n-grams in")
    with tempfile.TemporaryDirectory(dir=scratch, prefix="ngrams.") as temporary:
        work = Path(temporary)
        counts = count_ngrams(token_ids, vocabulary_size, order, work)
        bits = word_bits(vocabulary_size)
        used = [of_order.counts for of_order in counts]
        if smoothing == "kneser-ney":
            used = adjusted_counts(counts, bits, work)
        estimator = _Estimator(bits, folder, work)
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
    return NgramSizes(vocabulary_size=vocabulary_size, smoothing=smoothing, ngrams=ngrams)


class _Estimator:
    """Writes the tables of one order after the other; the probabilities of the order below are on disk."""

    def __init__(self, bits: int, folder: Path, scratch: Path) -> None:
        self._bits = bits
        self._folder = folder
        self._scratch = scratch
        # Of the order below: probabilities of all n-grams, pruned ones too, for nobody asks for these.
        self._probs = Column(scratch / "probs.0", np.float32)
        # Of the order below: which n-grams were kept.
        self._kept = Column(scratch / "kept.0", np.bool_)

    def write_words(self, counts: Column, shares: _Shares) -> int:
        """Order 1: every word is kept, and below it all words are equally probable."""
        words = len(counts)
        kept = np.ones(words, dtype=bool)
        own, weight = shares(counts.read(0, words), kept, np.zeros(1, dtype=np.int64))
        probs = own + weight[0] / words
        with written_table(self._folder, 1, "log_probs") as table:
            table.append(_logs(probs))
        self._probs.append(probs)
        self._kept.append(kept)
        return words

    def write_order(
        self, order: int, counted: OrderCounts, counts: Column, threshold: int, shares: _Shares
    ) -> int:
        """An order from 2 on, and the back-offs of the one below.

        Args:
            order: of the n-grams.
            counted: how often they stand in the corpus.
            counts: what their probabilities are made of, (ngrams,).
            threshold: n-grams that occur so often or less are left out.
            shares: the smoothing.
        """
        below, below_kept = self._probs.map(), self._kept
        self._probs = Column(self._scratch / f"probs.{order}", np.float32)
        self._kept = Column(self._scratch / f"kept.{order}", np.bool_)
        with (
            written_table(self._folder, order, "keys") as keys_table,
            written_table(self._folder, order, "log_probs") as log_probs_table,
            written_table(self._folder, order - 1, "backoffs") as backoffs_table,
        ):
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
                keys_table.append(make_keys(places[kept], words[kept], self._bits))
                log_probs_table.append(_logs(probs[kept]))
                self._probs.append(probs)
                self._kept.append(kept)
            lower.finish()
        return log_probs_table.values


class _Contexts:
    """The n-grams of an order, read in order as contexts of the next one: their back-offs and final places."""

    def __init__(self, kept: Column, backoffs: ArrayWriter) -> None:
        self._kept = kept
        self._backoffs = backoffs
        self._read = 0

    def places(self, contexts: IntArray, weights: Float64Array) -> IntArray:
        """Where contexts stand once pruned n-grams are left out; they come after those of the call before.

        Args:
            contexts: where they stood, rising, (contexts,).
            weights: what they leave to the order below, (contexts,).
        """
        read, self._read = self._read, int(contexts[-1]) + 1
        there = contexts.astype(np.int64) - read
        kept = self._kept.read(read, self._read)
        # What nothing follows leaves everything to the order below.
        of_all = np.ones(len(kept))
        of_all[there] = weights
        places = self._backoffs.values + np.cumsum(kept)[there] - 1
        self._backoffs.append(_logs(of_all[kept]))
        return places

    def finish(self) -> None:
        """Nothing follows the rest."""
        for start in range(self._read, len(self._kept), columns.VALUES_AT_ONCE):
            kept = self._kept.read(start, min(start + columns.VALUES_AT_ONCE, len(self._kept)))
            self._backoffs.append(np.zeros(np.count_nonzero(kept), dtype=np.float32))


def _whole_contexts(keys: Column, bits: int) -> Iterator[tuple[int, UInt64Array]]:
    """All keys, in blocks that hold all continuations of a context or none.

    Yields:
        Where a block starts, and its keys. One is larger than memory allows only if a single context's is.
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
    """Natural logs; of what rounding made more than 1, 0."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(probs), 0.0).astype(np.float32)
