"""Estimating the probability of every n-gram from its count, order by order, in blocks of contexts."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmctl import progress
from lmctl.errors import DataError, UsageError
from lmctl.families.ngram import columns, maximum_likelihood
from lmctl.families.ngram.adjusting import adjusted_counts
from lmctl.families.ngram.codebook import ShareCounts
from lmctl.families.ngram.columns import Pieces, joined, stretches_of, write_pieces
from lmctl.families.ngram.counts import count_ngrams
from lmctl.families.ngram.estimation_steps import Block, CodeBlock, Contexts, EstimateBlock, logs
from lmctl.families.ngram.kneser_ney import Discounts
from lmctl.families.ngram.packing import write_continuations
from lmctl.families.ngram.shares import write_shares
from lmctl.families.ngram.sizes import NgramSizes, share_bits, word_bits
from lmctl.families.ngram.table_files import written_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from lmctl.arrays import IntArray
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.families.ngram.columns import Piece
    from lmctl.families.ngram.counts import OrderCounts
    from lmctl.families.ngram.estimation_steps import Estimate, Shares


logger = logging.getLogger(__name__)

IN_THIS_PROCESS: AbstractContextManager[OrderedMap] = contextlib.nullcontext(map)


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
    workers: AbstractContextManager[OrderedMap] = IN_THIS_PROCESS,
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
        workers: a context that provides a map over items. It is entered for a text of several stretches
            (`columns.VALUES_AT_ONCE`), and may use other processes, or other machines that share `scratch` and the
            file that `token_ids` is mapped from. The tables do not depend on it.

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
    if len(token_ids) <= columns.VALUES_AT_ONCE:
        workers = IN_THIS_PROCESS
    with tempfile.TemporaryDirectory(dir=scratch, prefix="ngrams.") as temporary, workers as ordered_map:
        # Workers may have another working folder.
        work = Path(temporary).absolute()
        counts = count_ngrams(token_ids, vocabulary_size, order, work, ordered_map)
        used = [of_order.counts for of_order in counts]
        if smoothing == "kneser-ney":
            used = adjusted_counts(counts, word_bits(vocabulary_size), work, ordered_map)
        estimator = _Estimator(vocabulary_size, quantize, folder, work, ordered_map)
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
                is_last = length == order
                ngrams.append(estimator.write_order(length, of_order, column, threshold, shares, is_last=is_last))
            logger.debug("order %d: %d n-grams, %d kept", length, len(of_order), ngrams[-1])
    return NgramSizes(vocabulary_size=vocabulary_size, smoothing=smoothing, quantize=quantize, ngrams=ngrams)


class _Estimator:
    """Writes the tables order by order. The probabilities of the lower order are on disk meanwhile."""

    def __init__(
        self,
        vocabulary_size: int,
        quantize: Literal[8, 32],
        folder: Path,
        scratch: Path,
        ordered_map: OrderedMap,
    ) -> None:
        self._vocabulary_size = vocabulary_size
        self._bits = word_bits(vocabulary_size)
        self._is_quantized = quantize == 8
        self._folder = folder
        self._scratch = scratch
        self._map = ordered_map
        # Probabilities of all n-grams of the lower order, pruned ones included.
        self._probs = Pieces([], np.float32)
        self._lower = _Lower(Pieces([], np.bool_), [])

    def write_words(self, counts: Pieces, shares: Shares) -> int:
        """Write order 1, with all words. The distribution of the lower order is uniform."""
        words = len(counts)
        kept = np.ones(words, dtype=bool)
        own, weight = shares(counts.read(), kept, np.zeros(1, dtype=np.int64))
        probs = own + weight[0] / words
        with written_table(self._folder, 1, "probs" if self._is_quantized else "log_probs") as table:
            table.append(probs if self._is_quantized else logs(probs))
        self._probs = Pieces(write_pieces(self._scratch, "probs.1", probs.astype(np.float32)), np.float32)
        self._lower = _Lower(Pieces(write_pieces(self._scratch, "kept.1", kept), np.bool_), [words])
        return words

    def write_order(
        self,
        order: int,
        counted: OrderCounts,
        used: Pieces,
        threshold: int,
        shares: Shares,
        *,
        is_last: bool,
    ) -> int:
        """Write an order from 2 on, and the back-off weights of the lower order.

        Args:
            order: number of words of the n-grams.
            counted: the n-grams and their counts in the text.
            used: the counts from which probabilities are estimated, (ngrams,): adjusted or those of the text.
            threshold: n-grams with this count in the text or less are left out.
            shares: the smoothing.
            is_last: whether this is the highest order.

        Returns:
            Number of n-grams that were kept.
        """
        # One file, because a block reads it at random places.
        below = joined(self._probs, self._scratch, f"probs.{order - 1}")
        estimate_block = EstimateBlock(
            order, is_last, self._scratch, self._bits, self._is_quantized, threshold, shares, below
        )
        bounds = list(whole_contexts(counted.keys, self._bits))
        blocks = _blocks(bounds, counted, used, self._lower, self._bits)
        estimates = []
        for (_, stop), estimate in zip(bounds, self._map(estimate_block, blocks), strict=True):
            progress.tell(f"estimating {order}-grams", stop, len(counted))
            estimates.append(estimate)
        contexts_kept = sum(self._lower.numbers)
        keys = Pieces([estimate.keys for estimate in estimates], np.uint64)
        write_continuations(
            self._folder, order, keys.stretches(), contexts_kept, self._vocabulary_size, self._scratch
        )
        if self._is_quantized:
            self._write_shares(order, contexts_kept, estimates)
        else:
            self._write_logs(order, contexts_kept, estimates)
        for column in (Pieces([below], np.float32), self._lower.kept, keys):
            column.delete()
        self._probs = Pieces([estimate.probs for estimate in estimates], np.float32)
        self._lower = _Lower(
            Pieces([estimate.kept for estimate in estimates], np.bool_),
            [len(estimate.keys) for estimate in estimates],
        )
        return len(keys)

    def _write_shares(self, order: int, contexts_kept: int, estimates: Sequence[Estimate]) -> None:
        """Choose the codebook of an order, and write the shares."""
        counted = ShareCounts()
        for estimate in estimates:
            counted.add_counted(*(piece.read() for piece in estimate.share_counts))
        codebook = counted.codebook(1 << share_bits(order))
        code = CodeBlock(order, self._scratch, self._bits, codebook)
        blocks: list[list[Piece]] = []
        for block in self._map(code, ((estimate.keys, estimate.values) for estimate in estimates)):
            progress.tell(f"quantising {order}-grams", len(blocks), len(estimates))
            blocks.append(block)
        write_shares(self._folder, order, contexts_kept, codebook, blocks)
        for codes, *_ in blocks:
            Pieces([codes], codes.dtype).delete()

    def _write_logs(self, order: int, contexts_kept: int, estimates: Sequence[Estimate]) -> None:
        """Write the log probabilities of an order, and the back-off weights of the lower order."""
        with written_table(self._folder, order, "log_probs") as table:
            for estimate in estimates:
                table.append(estimate.values.read())
        with written_table(self._folder, order - 1, "backoffs") as table:
            for estimate in estimates:
                table.append(estimate.backoffs.read())
            # The n-grams after the last context are no contexts.
            for start, stop in stretches_of(contexts_kept - table.values):
                table.append(np.zeros(stop - start, dtype=np.float32))


class _Lower:
    """Which n-grams of the lower order were kept.

    Args:
        kept: whether each was kept.
        numbers: the number of those that were kept in each piece of `kept`.
    """

    def __init__(self, kept: Pieces, numbers: list[int]) -> None:
        self.kept = kept
        self.numbers = numbers

    def contexts(self, first: int, stop: int) -> Contexts:
        """The n-grams from place `first` to `stop`, and those before them that tell their places in the table."""
        piece = self.kept.piece_at(first)
        start = self.kept.starts[piece]
        return Contexts(first, stop, start, self.kept.between(start, stop), sum(self.numbers[:piece]))


def whole_contexts(keys: Pieces, bits: int) -> Iterator[tuple[int, int]]:
    """Cut sorted keys into blocks. The n-grams of a context are all in one block.

    Yields:
        Start and stop of a block. It has more than `VALUES_AT_ONCE` keys only if a single context has.
    """
    start, size = 0, columns.VALUES_AT_ONCE
    while start < len(keys):
        stop = min(start + size, len(keys))
        if stop < len(keys):
            context = keys.between(stop, stop + 1).read()[0] >> np.uint64(bits)
            stop = start + keys.between(start, stop).search(context << np.uint64(bits))
            if stop == start:
                size *= 2
                continue
        yield start, stop
        start, size = stop, columns.VALUES_AT_ONCE


def _blocks(
    bounds: Sequence[tuple[int, int]], counted: OrderCounts, used: Pieces, lower: _Lower, bits: int
) -> Iterator[Block]:
    first = 0
    for start, stop in bounds:
        after = int(counted.keys.between(stop - 1, stop).read()[0] >> np.uint64(bits)) + 1
        yield Block(
            keys=counted.keys.between(start, stop),
            counts=counted.counts.between(start, stop),
            used=used.between(start, stop),
            suffixes=counted.suffixes.between(start, stop),
            contexts=lower.contexts(first, after),
        )
        first = after
