"""Queries of a command: its arguments, the lines of a file, or the lines of standard input as they arrive."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from lmctl.errors import DataError, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.text.source_chunks import LongLines


def model_and_texts(model: str | None, texts: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of the model, and the queries. Without -m, the first TEXT may be the folder of a model."""
    from lmctl.store.naming import names_model

    if texts and model is None and names_model(texts[0]):
        return texts[0], texts[1:]
    return model, texts


def check_queries(texts: tuple[str, ...], file: str | None, queries: str, argument: str = "TEXT") -> None:
    """Refuse a command line that gives its queries twice, or not at all.

    Args:
        texts: the arguments.
        file: the value of -f.
        queries: what the command calls its queries, in the plural.
        argument: what its help calls one of the arguments.
    """
    if texts and file is not None:
        raise click.UsageError(f"{argument} and -f both give {queries}; use one of them")
    if not texts and file is None and (sys.stdin is None or sys.stdin.isatty()):
        there = "closed" if sys.stdin is None else "a terminal"
        raise click.UsageError(
            f"no {argument} given, and standard input is {there}; give {argument} or -f FILE, or pipe {queries} "
            "to standard input"
        )


def check_files(files: Sequence[str]) -> None:
    """Refuse a command line without a file if standard input cannot be one."""
    if not files and (sys.stdin is None or sys.stdin.isatty()):
        there = "closed" if sys.stdin is None else "a terminal"
        raise click.UsageError(
            f"no FILE given, and standard input is {there}; give FILE, or pipe text to standard input"
        )


def read_candidates(
    words: tuple[str, ...], file: str | None, queries_file: str | None, *, encoding: str, errors: str
) -> tuple[str, ...] | None:
    """Return the words of --candidate and --candidates; None if neither is given.

    Args:
        words: the values of --candidate.
        file: the value of --candidates.
        queries_file: the file of the queries; None: they are arguments.
        encoding: the encoding of both files.
        errors: treatment of invalid bytes.
    """
    from lmctl.text.sources import check_sources
    from lmctl.text.word_lists import read_word_list

    for word in words:
        if len(word.split()) != 1:
            raise click.UsageError(f"--candidate: expected one word, got {quoted(word)}")
    found = tuple(_as_utf8("--candidate", word.strip()) for word in words)
    if file is None:
        return found or None
    check_sources([file, *([] if queries_file is None else [queries_file])])
    return (*found, *read_word_list(file, encoding=encoding, errors=errors))


def arriving_queries(
    texts: tuple[str, ...],
    file: str | None,
    *,
    encoding: str,
    errors: str,
    long_lines: LongLines = "end",
    argument: str = "TEXT",
) -> Iterator[list[str]]:
    """Yield batches of queries; of a stream, a batch is what has arrived so far.

    Args:
        texts: the arguments.
        file: the value of -f; None: standard input if there are no arguments.
        encoding: the encoding of the file.
        errors: treatment of invalid bytes.
        long_lines: treatment of lines that are too long, as in `read_lines`.
        argument: what the help of the command calls one of the arguments.
    """
    from lmctl.text.reading import LineStream, read_lines
    from lmctl.text.sources import STDIN

    if texts:
        yield [_as_utf8(f"{argument} {number}", text) for number, text in enumerate(texts, start=1)]
    elif file in (None, STDIN):
        for arrived in LineStream(0, "standard input", encoding, errors, long_lines=long_lines):
            yield from _batches(arrived)
    else:
        yield from _batches(read_lines(str(file), encoding=encoding, errors=errors, long_lines=long_lines))


def _as_utf8(argument: str, text: str) -> str:
    """Decode an argument as UTF-8, because Python has decoded it by the locale."""
    try:
        return os.fsencode(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{argument}: byte {error.start}: not valid UTF-8 (0x{error.object[error.start]:02x})"
        ) from error


def _batches(lines: Iterable[str], size: int = 256) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
