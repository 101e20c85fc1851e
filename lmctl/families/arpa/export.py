r"""Writing n-gram models as ARPA text, the format that SRILM, KenLM and IRSTLM exchange (SRILM's ngram-format(5)).

    \data\
    ngram 1=4
    \1-grams:
    -0.9	word	-0.3        log10 probability, TAB, words, TAB, log10 back-off; none in the highest order

ARPA files have `<s>` for lmctl's `</s>` at the start of a sentence. The unigram `<s>` has lmctl's back-off weight
of `</s>`, and no probability, because no model predicts a start. A probability or a back-off weight of 0 is
written as -99, as in SRILM.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import UsageError
from lmctl.families.arpa.words import ESCAPES_COMMENT, SENTENCE_START, WordSpelling
from lmctl.families.ngram.entropy_pruning import prune
from lmctl.families.ngram.keyed_tables import write_keyed
from lmctl.families.ngram.merging import Member, interpolate
from lmctl.families.ngram.runtime import NgramLanguageModel
from lmctl.families.ngram.sizes import NgramSizes
from lmctl.families.ngram.tables import open_tables
from lmctl.log10 import LOG10_ZERO, log10_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lmctl.families.base import BundleFiles
    from lmctl.families.exporting import ExportOptions
    from lmctl.families.ngram.tables import NgramTables

logger = logging.getLogger(__name__)

_LINES_AT_ONCE = 1 << 16
# The orders that KenLM reads if it is built with its default KENLM_MAX_ORDER (its file BUILDING).
KENLM_ORDERS = range(2, 7)


def export_arpa(bundle: BundleFiles, file: IO[bytes], options: ExportOptions) -> None:
    """Write an n-gram model, or a mixture of n-gram models, as ARPA text, and report progress to `lmctl.progress`.

    Args:
        bundle: a bundle whose files are n-gram tables, or a mixture of such bundles, nested or not.
        file: open for writing, at its beginning.
        options: see `Family.export`. With `prune_entropy`, n-grams are left out (ngram/entropy_pruning.py).

    Raises:
        UsageError: a member of the mixture is of another family.
        DataError: a table is missing or damaged.
    """
    members = weighted_members(bundle)
    spelling = WordSpelling(bundle.vocabulary().words, options.unknown)
    if escaped := spelling.escaped:
        logger.warning(
            "%s: wrote \\xNN in words that other programs would misread (%d, such as %s); import gives them back",
            bundle.folder,
            len(escaped),
            ", ".join(map(repr, escaped[:3])),
        )
    if len(members) == 1 and options.prune_entropy is None:
        _write(bundle, open_tables(bundle.folder, bundle.sizes), spelling, file)
        return
    vocabulary = bundle.vocabulary()
    merged = interpolate(
        [Member.of(NgramLanguageModel.from_bundle(each), each.vocabulary(), vocabulary) for each, _ in members],
        [weight for _, weight in members],
    )
    if options.prune_entropy is not None:
        before = [len(of_order) for of_order in merged.log_probs.values()]
        prune(merged, options.prune_entropy)
        after = [len(of_order) for of_order in merged.log_probs.values()]
        logger.info(
            "kept %s of %s n-grams", " + ".join(map("{:,}".format, after)), " + ".join(map("{:,}".format, before))
        )
    with tempfile.TemporaryDirectory() as folder:
        sizes = write_keyed(merged, Path(folder))
        _write(bundle, open_tables(Path(folder), sizes), spelling, file)


def weighted_members(bundle: BundleFiles, weight: float = 1.0) -> list[tuple[BundleFiles, float]]:
    """The n-gram models that a bundle consists of, each with its weight; the bundle itself if it is one.

    Raises:
        UsageError: one of them is of another family.
    """
    if isinstance(bundle.sizes, NgramSizes):
        return [(bundle, weight)]
    members = bundle.members()
    if not members:
        raise UsageError(
            f"{bundle.folder}: an ARPA file has n-grams alone, and this member of the mixture is of family "
            f"{bundle.family}"
        )
    return [
        found
        for member, share in zip(members, bundle.sizes.weights, strict=True)
        for found in weighted_members(member, weight * share)
    ]


def _write(bundle: BundleFiles, tables: NgramTables, spelling: WordSpelling, file: IO[bytes]) -> None:
    sizes = tables.sizes
    if sizes.order not in KENLM_ORDERS:
        logger.warning(
            "%s: n-grams of up to %d words; KenLM, as it is usually built, reads orders of %d to %d",
            bundle.folder,
            sizes.order,
            KENLM_ORDERS[0],
            KENLM_ORDERS[-1],
        )
    written, total = 0, sum(sizes.ngrams)

    def tell(more: int) -> None:
        nonlocal written
        written += more
        progress.tell(f"writing {total:,} n-grams", written, total)

    write_arpa(tables, spelling, file, tell)


def write_arpa(
    tables: NgramTables,
    spelling: WordSpelling,
    file: IO[bytes],
    on_ngrams: Callable[[int], object] = lambda _ngrams: None,
) -> None:
    """Write tables as ARPA text in UTF-8.

    Numbers have up to nine digits, which identify a float32.

    Args:
        tables: the tables of the model.
        spelling: the spelling of its words in the file.
        file: the file to write.
        on_ngrams: called with the number of n-grams that were written since the last call.
    """
    sizes = tables.sizes
    if spelling.escaped:
        file.write(f"{ESCAPES_COMMENT}\n".encode())
    # `<s>` is one more unigram in the file.
    counts = [sizes.ngrams[0] + 1, *sizes.ngrams[1:]]
    header = "".join(f"ngram {order}={count}\n" for order, count in enumerate(counts, start=1))
    file.write(f"\\data\\\n{header}".encode())
    for order in range(1, sizes.order + 1):
        file.write(f"\n\\{order}-grams:\n".encode())
        if order == 1:
            _, starts = tables.as_backing_off(1, SENTENCE_END_ID, SENTENCE_END_ID + 1)
            starts = np.empty(0, dtype=np.float32) if starts is None else starts
            numbers = "".join(f"\t{decimal(number)}" for number in log10_of(starts))
            file.write(f"{LOG10_ZERO:g}\t{SENTENCE_START}{numbers}\n".encode())
        for first in range(0, sizes.ngrams[order - 1], _LINES_AT_ONCE):
            stop = min(first + _LINES_AT_ONCE, sizes.ngrams[order - 1])
            file.write("".join(_lines(tables, spelling.words, order, first, stop)).encode())
            on_ngrams(stop - first)
    file.write(b"\n\\end\\\n")


def _lines(tables: NgramTables, spelled_words: Sequence[str], order: int, first: int, stop: int) -> Iterator[str]:
    """The lines of the n-grams from place `first` up to `stop`, without `stop`."""
    words = tables.words(order, np.arange(first, stop)).T.tolist()
    spelled = [[spelled_words[word] for word in column] for column in words]
    if order > 1:
        spelled[0] = [SENTENCE_START if word == SENTENCE_END_ID else spelled_words[word] for word in words[0]]
    natural_log_probs, natural_backoffs = tables.as_backing_off(order, first, stop)
    log_probs = log10_of(natural_log_probs).tolist()
    if natural_backoffs is None:
        for log_prob, ngram in zip(log_probs, zip(*spelled, strict=True), strict=True):
            yield f"{decimal(log_prob)}\t{' '.join(ngram)}\n"
        return
    backoffs = log10_of(natural_backoffs).tolist()
    if order == 1 and first <= SENTENCE_END_ID:
        backoffs[SENTENCE_END_ID - first] = 0.0  # the table has the back-off weight of <s> there
    for log_prob, ngram, backoff in zip(log_probs, zip(*spelled, strict=True), backoffs, strict=True):
        yield f"{decimal(log_prob)}\t{' '.join(ngram)}\t{decimal(backoff)}\n"


def decimal(number: float) -> str:
    """A number with nine significant digits, which tell every float32 apart, and without an exponent.

    The Python package arpa (0.1.0b4) drops the exponent of a back-off weight: it reads -9.5e-05 as -9.5.
    """
    text = f"{number:.9g}"
    if "e" not in text:
        return text
    digits, _, exponent = text.partition("e")
    places = len(digits.partition(".")[2]) - int(exponent)
    return f"{number:.{max(places, 0)}f}"
