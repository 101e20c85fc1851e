"""n-gram models to and from ARPA files, which other toolkits read and write."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.config import to_yaml
from lmctl.corpus.characters import CharacterUnigram
from lmctl.corpus.recipe import TextRecipe, recipe_files
from lmctl.corpus.vocabulary import SPECIALS
from lmctl.errors import UsageError
from lmctl.jobs.mixing import encode_metrics
from lmctl.jobs.prepare import make_tokenizer
from lmctl.runtime import load_language_model
from lmctl.store.arpa import write_arpa
from lmctl.store.arpa_import import read_arpa
from lmctl.store.bundle import ModelRecord, verify_bundle, write_bundle
from lmctl.store.generations import ModelFolder, find_bundle, remove
from lmctl.store.lock import locked
from lmctl.store.ngram_tables import NgramSizes, open_tables
from lmctl.text.sources import STDIN, check_sources

if TYPE_CHECKING:
    from typing import IO

    from lmctl.config import Config

IMPORTED = "imported"
# Words that an `auto` segmenter is chosen by.
SAMPLE_WORDS = 10_000


def export_arpa(model: str | None, output: str) -> None:
    """Write an n-gram model as ARPA text.

    Args:
        model: what `-m` takes.
        output: a file, compressed where it ends in .gz; "-" for standard output.

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
    with files.written_whole(Path(output)) as file:
        if output.endswith(".gz"):
            # Without a time: the same model gives the same bytes.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                write_arpa(tables, vocabulary, _as_file(compressed))
        else:
            write_arpa(tables, vocabulary, file)


def import_arpa(path: str, output: Path, config: Config) -> Path:
    """Make a model of an ARPA file, and publish it as the next generation.

    Args:
        path: of the file; .gz, .bz2 and .xz are decompressed, and - is standard input.
        output: the model's folder.
        config: how queries are cut into words (`text`), which the file does not say, and how many generations are
            kept.

    Returns:
        The folder of what was published.

    Raises:
        LmctlError: the file is missing or damaged; another run holds the lock.
    """
    check_sources([path])
    folder = ModelFolder.create(output)
    with locked(folder.folder):
        place = folder.work / IMPORTED
        remove(place)
        place.mkdir()
        vocabulary, sizes = read_arpa(path, place)
        words = vocabulary.words[len(SPECIALS) :]
        tokenizer = make_tokenizer(config.text, sample=" ".join(words[:SAMPLE_WORDS]))
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
        load_language_model(verify_bundle(place))
        return folder.publish(place, config.publishing.keep)


def _as_file(compressed: gzip.GzipFile) -> IO[bytes]:
    return compressed  # type: ignore[return-value]
