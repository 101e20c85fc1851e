"""`lmctl export`: write a model in a format that other programs read."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import families, files
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN
from lmctl.errors import UsageError, joined, quoted
from lmctl.families.arpa.words import SENTENCE_START
from lmctl.store.naming import find_bundle
from lmctl.store.verification import verify_bundle
from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from lmctl.store.bundle import Bundle

# Suffixes of compressions that lmctl cannot write. An uncompressed file with such a name would mislead.
OTHER_COMPRESSIONS = {".zst", ".lz4", ".lzma", ".Z", ".zip", ".7z"}


def export(model: str | None, format: str, output: str, unknown: str = UNKNOWN) -> None:
    """Write a model in a format of its family.

    Args:
        model: name of the model, as `-m` takes it.
        format: one of `families.export_formats()`.
        output: path of the file, which is compressed if its name ends in .gz, .bz2 or .xz; "-": standard output.
        unknown: spelling of the unknown word in the file.

    Raises:
        UsageError: the family of the model does not have that format, `unknown` is not a word, or the suffix of
            the file is of another compression.
        LmctlError: the model is missing or damaged.
        OSError: the file cannot be written.
    """
    if unknown.split() != [unknown] or unknown in (SENTENCE_START, SENTENCE_END):
        raise UsageError(f"--unknown: expected a word such as <UNK>, got {quoted(unknown)}")
    if (suffix := Path(output).suffix) in OTHER_COMPRESSIONS:
        raise UsageError(
            f"{output}: expected a name that ends in .gz, .bz2, .xz or .{format}; lmctl cannot write {suffix}: "
            "pipe standard output to a program that can"
        )
    if output != STDIN:
        files.check_writable(Path(output))
    bundle = verify_bundle(find_bundle(model))
    families.check_predicts_next_word(bundle)
    if not _has_format(bundle, format):
        members = [str(member.folder) for member in bundle.members() if _has_format(member, format)]
        raise UsageError(
            f"{bundle.folder}: --to {format} takes a model of family "
            f"{joined(families.export_formats()[format], 'or')}, got family {bundle.family}"
            + (f"; its member {members[0]} is one" if members else "")
        )
    family = families.find(bundle.family)
    if output == STDIN:
        family.export(bundle, format, sys.stdout.buffer, unknown)
        return
    with files.written_whole(Path(output)) as file, _compressing(file, suffix) as compressed:
        family.export(bundle, format, compressed, unknown)


def _has_format(bundle: Bundle, format: str) -> bool:
    return format in families.find(bundle.family).export_formats


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
