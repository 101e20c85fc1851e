"""`lmctl export`: write a model in a format that other programs read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import logging
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families, files
from lmctl.corpus.vocabulary import NEVER_WORDS, SENTENCE_END, UNKNOWN
from lmctl.errors import UsageError, joined, quoted
from lmctl.families.arpa.words import SENTENCE_START
from lmctl.families.exporting import OF_EVERY_MODEL, ExportOptions
from lmctl.store.naming import opened
from lmctl.store.verification import verify_bundle
from lmctl.text.reading import read_lines
from lmctl.text.sources import STDIN
from lmctl.training.loading import load_tensorflow, require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO, Any

    from lmctl.arrays import IntArray
    from lmctl.families.exporting import ExportFigures
    from lmctl.store.bundle import Bundle

logger = logging.getLogger(__name__)

# Suffixes of compressions that lmctl cannot write. An uncompressed file with such a name would mislead.
OTHER_COMPRESSIONS = {".zst", ".lz4", ".lzma", ".Z", ".zip", ".7z"}
# Tokens of the validation text on which another program's numbers are compared, and on which rounding is measured.
COMPARED_TOKENS = 1000
ROUNDED_TOKENS = 10_000
# Words of a sentence at most, and of one that is drawn because there is no validation text.
MOST_WORDS, DRAWN_WORDS = 100, 20


def export(model: str | None, format: str, output: str, given: Mapping[str, Any] | None = None) -> None:
    """Write a model in a format.

    Args:
        model: name of the model, as `-m` takes it.
        format: one of `families.exporting.OF_EVERY_MODEL` or `families.export_formats()`.
        output: path of the file, which is compressed if its name ends in .gz, .bz2 or .xz; "-": standard output.
        given: options of `families.exporting.ExportOptions`, by name.

    Raises:
        UsageError: the family of the model does not have that format, the format does not have an option, an
            option has a wrong value, or the suffix of the file is of another compression.
        LmctlError: the model is missing or damaged, or another program reads other numbers from the file.
        OSError: the file cannot be written.
    """
    given = given or {}
    _check_options(format, given)
    if (suffix := Path(output).suffix) in OTHER_COMPRESSIONS:
        of_format = {**OF_EVERY_MODEL, **families.export_formats()}[format].suffix
        raise UsageError(
            f"{output}: expected a name that ends in .gz, .bz2, .xz or .{of_format}; lmctl cannot write {suffix}: "
            "pipe standard output to a program that can"
        )
    if output != STDIN:
        files.check_writable(Path(output))
    bundle = opened(model, verify_bundle)
    if format not in OF_EVERY_MODEL:
        _check_family(bundle, format, given)
    if output == STDIN:
        figures = _write(bundle, format, sys.stdout.buffer, given)
    else:
        with files.written_whole(Path(output)) as file, _compressing(file, suffix) as compressed:
            figures = _write(bundle, format, compressed, given)
    if figures is not None:
        _tell(figures)


def _check_options(format: str, given: Mapping[str, Any]) -> None:
    formats = families.export_formats()
    for option in given:
        if option not in formats.get(format, OF_EVERY_MODEL["words"]).options:
            takers = [name for name, of_name in formats.items() if option in of_name.options]
            raise UsageError(
                f"--{option.replace('_', '-')}: --to {format} does not have it; {joined(takers)} "
                f"{'have' if len(takers) > 1 else 'has'}"
            )
    unknown = given.get("unknown", UNKNOWN)
    if unknown.split() != [unknown] or unknown in (SENTENCE_START, SENTENCE_END):
        raise UsageError(f"--unknown: expected a word such as <UNK>, got {quoted(unknown)}")
    if "max_loss" in given and "quantize" not in given:
        raise UsageError("--max-loss: nothing is rounded without --quantize")


def _check_family(bundle: Bundle, format: str, given: Mapping[str, Any]) -> None:
    families.check_predicts_next_word(bundle)
    if not _has_format(bundle, format):
        members = [str(member.folder) for member in bundle.members() if _has_format(member, format)]
        raise UsageError(
            f"{bundle.folder}: --to {format} takes a model of family "
            f"{joined(families.families_of_format(format), 'or')}, got family {bundle.family}"
            + (f"; its member {members[0]} is one" if members else "")
        )
    options = families.find(bundle.family).export_formats[format].options
    for option in given:
        if option not in options:
            raise UsageError(
                f"--{option.replace('_', '-')}: {bundle.folder} is of family {bundle.family}, whose --to {format} "
                "does not have it"
            )


def _has_format(bundle: Bundle, format: str) -> bool:
    return format in families.find(bundle.family).export_formats


def _write(bundle: Bundle, format: str, file: IO[bytes], given: Mapping[str, Any]) -> ExportFigures | None:
    if format in OF_EVERY_MODEL:
        file.writelines(line.encode() for line in _lines(bundle, format))
        return None
    family = families.find(bundle.family)
    if family.export_formats[format].needs_tensorflow:
        require_tensorflow(f"--to {format}")
        load_tensorflow(verbose=False)
    sentences: list[IntArray] = []
    if family.export_formats[format].is_checked:
        sentences = _sentences(bundle, ROUNDED_TOKENS if "quantize" in given else COMPARED_TOKENS)
    return family.export(bundle, format, file, ExportOptions(**given, sentences=sentences))


def _lines(bundle: Bundle, format: str) -> Iterator[str]:
    """The lines of a format of every model."""
    if format == "word2vec":
        from lmctl.query.text_model import TextModel
        from lmctl.query.vectors import word2vec_text, word_vectors

        model = TextModel(bundle)
        return word2vec_text(model.vocabulary.words, word_vectors(model))
    words = bundle.vocabulary().words
    return (f"{word}\n" for word in words if format == "vocabulary" or word not in NEVER_WORDS)


def _sentences(bundle: Bundle, tokens: int) -> list[IntArray]:
    """The first sentences of the kept validation text, about `tokens` tokens; drawn ones if it has none."""
    path = bundle.kept_text()
    vocabulary = bundle.vocabulary()
    tokenizer = bundle.record.recipe.tokenizer(bundle.recipe_files())
    found: list[IntArray] = []
    count = 0
    for line in () if path is None else read_lines(str(path)):
        words = tokenizer.segment(tokenizer.normalized(line))
        if words:
            found.append(np.array(vocabulary.encode(words[:MOST_WORDS]), dtype=np.int64))
            count += len(found[-1]) + 1
        if count >= tokens:
            break
    if found:
        return found
    generator = np.random.default_rng(0)
    return list(generator.integers(len(vocabulary), size=(tokens // DRAWN_WORDS, DRAWN_WORDS)))


def _tell(figures: ExportFigures) -> None:
    if figures.is_rounded:
        logger.info(
            "perplexity %.2f by %s, %.2f before rounding (%d tokens); %d bytes",
            figures.perplexity,
            figures.reader,
            figures.own_perplexity,
            figures.tokens,
            figures.size_bytes,
        )
    else:
        logger.info(
            "largest difference of %s to %s: %.1e nats (%d tokens); %d bytes",
            figures.compared,
            figures.reader,
            figures.largest_difference,
            figures.tokens,
            figures.size_bytes,
        )


@contextlib.contextmanager
def _compressing(file: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """A file object that compresses what is written to it, by the suffix of the file's name."""
    if suffix == ".gz":
        # Without a time stamp, so that the same model gives the same bytes.
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
