"""n-gram models to and from ARPA files, which other toolkits read and write."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import logging
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl import files
from lmctl.config import to_yaml
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.vocabulary import SPECIALS
from lmctl.errors import DataError, UsageError
from lmctl.jobs.arpa_tokenizer import choose_tokenizer
from lmctl.jobs.bundling import encode_metrics
from lmctl.jobs.events import ignore_event
from lmctl.jobs.logged import Watched, logged
from lmctl.jobs.publishing import KEPT_IN_WORK, generations_kept
from lmctl.runtime import load_language_model
from lmctl.store.arpa import write_arpa
from lmctl.store.arpa_import import read_arpa
from lmctl.store.bundle import ModelRecord, verify_bundle, write_bundle
from lmctl.store.generations import ModelFolder, find_bundle
from lmctl.store.lock import locked
from lmctl.store.ngram_tables import NgramSizes, open_tables
from lmctl.text.sources import STDIN, check_sources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from lmctl.config import Settings
    from lmctl.runtime.base import LanguageModel

logger = logging.getLogger(__name__)

IMPORTED = "imported"
KEEP = "publishing.keep"
# What rounded numbers add up to, and what no distribution could.
SUM_TOLERANCE, MOST_SUM = 1e-3, 1.5


def export_arpa(model: str | None, output: str) -> None:
    """Write an n-gram model as ARPA text.

    Args:
        model: what `-m` takes.
        output: a file, compressed where it ends in .gz, .bz2 or .xz; "-" for standard output.

    Raises:
        UsageError: the model is not an n-gram model.
        LmctlError: it is missing or damaged.
        OSError: the file cannot be written.
    """
    bundle = verify_bundle(find_bundle(model))
    sizes = bundle.record.sizes
    if not isinstance(sizes, NgramSizes):
        members = [
            str(member.folder) for member in bundle.members() if isinstance(member.record.sizes, NgramSizes)
        ]
        raise UsageError(
            f"{bundle.folder}: family {bundle.record.family}; only an n-gram model can be written as ARPA text"
            + (f", such as its member {members[0]}" if members else "")
        )
    tables, vocabulary = open_tables(bundle.folder, sizes), bundle.vocabulary()
    if output == STDIN:
        write_arpa(tables, vocabulary, sys.stdout.buffer)
        return
    with files.written_whole(Path(output)) as file, _compressing(file, Path(output).suffix) as compressed:
        write_arpa(tables, vocabulary, compressed)


def import_arpa(path: str, output: Path, settings: Settings) -> Path:
    """Make a model of an ARPA file, and publish it as the next generation.

    Args:
        path: of the file; .gz, .bz2 and .xz are decompressed, and - is standard input.
        output: the model's folder.
        settings: how queries are cut into words (`text`), which the file does not say, and how many generations
            are kept.

    Returns:
        The folder of what was published.

    Raises:
        UsageError: other settings, which an ARPA file decides or has no use for.
        LmctlError: the file is missing or damaged; another run holds the lock.
    """
    for key in settings.explicit:
        if not key.startswith("text.") and key != KEEP:
            raise UsageError(f"{key}: means nothing for an imported model; leave it out")
    config = settings.resolve()
    keep = config.publishing.keep if KEEP in settings.explicit else None
    check_sources([path])
    folder = ModelFolder.create(output)
    with locked(folder.folder), logged(Watched(folder, ignore_event)) as summary:
        folder.sweep(KEPT_IN_WORK)
        place = folder.work / IMPORTED
        place.mkdir()
        vocabulary, sizes = read_arpa(path, place)
        words = vocabulary.words[len(SPECIALS) :]
        tokenizer = choose_tokenizer(path, config.text, words)
        text = msgspec.structs.replace(config.text, segmenter=tokenizer.segmenter.identity.name)
        model = msgspec.structs.replace(config.model, family="ngram", order=sizes.order)
        contents = {
            "vocabulary.tsv": vocabulary.to_tsv().encode(),
            # The file has no counts of words: what an unknown one costs to spell follows from those it knows.
            "characters.tsv": CharacterUnigram.of_words((word, 1) for word in words).to_tsv().encode(),
            "config.yaml": to_yaml(
                msgspec.structs.replace(config, preset="ngram", text=text, model=model)
            ).encode(),
            "metrics.json": encode_metrics({"valid": None}),
        }
        record = ModelRecord(
            sizes=sizes, recipe=TextRecipe.of(tokenizer, config.text.blank_lines), corpus=None, training=None
        )
        write_bundle(place, record, contents | recipe_files(tokenizer), there=sizes.table_names())
        _check_sums(path, load_language_model(verify_bundle(place)))
        published = folder.publish(place, generations_kept(folder) if keep is None else keep)
        summary["published"] = str(published)
    return published


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


def _check_sums(path: str, language_model: LanguageModel[Any]) -> None:
    """See that what was imported is about a distribution, in the middle of a text and at a sentence's start."""
    states = (language_model.null_state(1), language_model.initial_state(1))
    sums = [float(np.exp(language_model.log_probs(state).astype(np.float64)).sum()) for state in states]
    worst = max(sums, key=lambda total: abs(total - 1.0))
    if not worst < MOST_SUM:
        raise DataError(
            f"{path}: its probabilities sum to {worst:g} in place of 1; perplexities would mean nothing"
        )
    if abs(worst - 1.0) > SUM_TOLERANCE:
        logger.warning("%s: its probabilities sum to %g in place of 1; perplexities are off by that", path, worst)
