"""What `lmctl export` does: an n-gram model becomes an ARPA file, which other toolkits read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import logging
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import families, files
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN
from lmctl.errors import UsageError
from lmctl.families.arpa.export import opened_tables, write_arpa
from lmctl.families.arpa.words import SENTENCE_START, WordSpelling
from lmctl.store.naming import find_bundle
from lmctl.store.verification import verify_bundle
from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

# Of files that export does not write: plain text under such a name would mislead.
OTHER_COMPRESSIONS = {".zst", ".lz4", ".lzma", ".Z", ".zip", ".7z"}
# The orders that KenLM reads as it is usually built (its BUILDING: KENLM_MAX_ORDER).
KENLM_ORDERS = range(2, 7)


def export_arpa(
    model: str | None,
    output: str,
    unknown: str = UNKNOWN,
    on_ngrams: Callable[[int, int], object] = lambda _written, _total: None,
) -> None:
    """Write an n-gram model as ARPA text.

    Args:
        model: what `-m` takes.
        output: a file, compressed if it ends in .gz, .bz2 or .xz; "-" for standard output.
        unknown: how the unknown word is written.
        on_ngrams: told how many n-grams have been written, of how many.

    Raises:
        UsageError: the model is not an n-gram model, no word can be written as `unknown`, or the file's
            name promises another compression.
        LmctlError: it is missing or damaged.
        OSError: the file cannot be written.
    """
    if unknown.split() != [unknown] or unknown in (SENTENCE_START, SENTENCE_END):
        raise UsageError(f"--unknown: expected a word such as <UNK>, got {unknown[:80]!r}")
    if (suffix := Path(output).suffix) in OTHER_COMPRESSIONS:
        raise UsageError(
            f"{output}: expected a name that ends in .gz, .bz2, .xz or .arpa, since lmctl writes no {suffix}; "
            "pipe standard output to a program that does"
        )
    bundle = verify_bundle(find_bundle(model))
    sizes = bundle.record.sizes
    if not _is_exported(bundle):
        members = [str(member.folder) for member in bundle.members() if _is_exported(member)]
        raise UsageError(
            f"{bundle.folder}: family {bundle.record.family}; only an n-gram model can be written as ARPA text"
            + (f", such as its member {members[0]}" if members else "")
        )
    if sizes.order not in KENLM_ORDERS:
        logger.warning(
            "%s: n-grams of up to %d words; KenLM, as it is usually built, reads orders of %d to %d",
            bundle.folder,
            sizes.order,
            KENLM_ORDERS[0],
            KENLM_ORDERS[-1],
        )
    tables, spelling = opened_tables(bundle), WordSpelling(bundle.vocabulary().words, unknown)
    if escaped := spelling.escaped:
        logger.warning(
            "%s: wrote \\xNN in words that other programs would misread (%d, such as %s); import gives them back",
            bundle.folder,
            len(escaped),
            ", ".join(map(repr, escaped[:3])),
        )
    written = 0

    def tell(more: int) -> None:
        nonlocal written
        written += more
        on_ngrams(written, sum(sizes.ngrams))

    if output == STDIN:
        write_arpa(tables, spelling, sys.stdout.buffer, tell)
        return
    with files.written_whole(Path(output)) as file, _compressing(file, Path(output).suffix) as compressed:
        write_arpa(tables, spelling, compressed, tell)


def _is_exported(bundle: Bundle) -> bool:
    """Whether models of its family can be written as ARPA text."""
    return "arpa" in families.find(bundle.family).export_formats


@contextlib.contextmanager
def _compressing(file: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """A file whose content is compressed as a suffix says."""
    if suffix == ".gz":
        # Without a time: the same model gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
            yield compressed  # type: ignore[misc]
    elif suffix == ".bz2":
        with bz2.open(file, "wb") as compressed:
            yield compressed
    elif suffix == ".xz":
        with lzma.open(file, "wb") as compressed:
            yield compressed
    else:
        yield file
