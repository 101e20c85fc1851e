"""Queries of a command: its arguments, the lines of a file, or the lines of standard input as they arrive."""

from __future__ import annotations

import itertools
import os
import sys
from typing import TYPE_CHECKING

import click

from lmctl.errors import DataError, listed, quoted

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


def check_different(models: Sequence[str]) -> None:
    """Refuse a command line that names a model twice, whose results would have the same name."""
    for name in models:
        if models.count(name) > 1:
            raise click.UsageError(f"{name} is named twice; expected different models")


def read_candidates(
    words: tuple[str, ...],
    file: str | None,
    queries: tuple[str, ...],
    queries_file: str | None,
    *,
    encoding: str,
    errors: str,
) -> tuple[str, ...] | None:
    """Return the words of --candidate and --candidates; None if neither is given.

    Args:
        words: the values of --candidate.
        file: the value of --candidates.
        queries: the queries that are arguments.
        queries_file: the value of -f; None: standard input if no queries are arguments.
        encoding: the encoding of both files.
        errors: treatment of invalid bytes.
    """
    for word in words:
        if len(word.split()) != 1:
            raise click.UsageError(f"--candidate: expected one word, got {quoted(word)}")
    found = tuple(_as_utf8("--candidate", word.strip()) for word in words)
    if file is None:
        return found or None
    # Imported here, because queries without a file do not read text.
    from lmctl.text.sources import STDIN, check_sources
    from lmctl.text.word_lists import read_word_list

    check_sources([file, *([] if queries else [queries_file or STDIN])])
    return (*found, *read_word_list(file, encoding=encoding, errors=errors))


def arriving_queries(
    texts: tuple[str, ...],
    file: str | None,
    *,
    encoding: str,
    errors: str,
    long_lines: LongLines = "end",
    argument: str = "TEXT",
    are_lines: bool = True,
    text_option: str | None = None,
) -> Iterator[list[str]]:
    """Yield batches of queries; of a stream, a batch is what has arrived so far.

    Args:
        texts: the arguments.
        file: the value of -f; None: standard input if there are no arguments.
        encoding: the encoding of the file.
        errors: treatment of invalid bytes.
        long_lines: treatment of lines that are too long, as in `read_lines`.
        argument: what the help of the command calls one of the arguments.
        are_lines: whether a source in another form than lines is refused, as by `only_lines`.
        text_option: as in `only_lines`.

    Raises:
        DataError: an argument is not UTF-8, or the source is not valid or not lines.
    """
    if texts:
        yield [_as_utf8(f"{argument} {number}", text) for number, text in enumerate(texts, start=1)]
        return
    from lmctl.text.reading import LineStream, read_lines
    from lmctl.text.sources import STDIN

    if file in (None, STDIN):
        for number, arrived in enumerate(LineStream(0, "standard input", encoding, errors, long_lines=long_lines)):
            if number == 0 and are_lines:
                _check_are_lines(arrived[:2], "standard input", text_option)
            yield from _batches(arrived)
    else:
        lines = read_lines(str(file), encoding=encoding, errors=errors, long_lines=long_lines)
        yield from _batches(only_lines(lines, str(file), text_option) if are_lines else lines)


def only_lines(lines: Iterator[str], source: str, text_option: str | None = None) -> Iterator[str]:
    """The lines of a source, which is refused if it has another form, because every line would be read as text.

    Args:
        lines: its lines, which are read on demand.
        source: name of the source.
        text_option: the option of the command that names the column or field that has the text; None: it has none.

    Raises:
        DataError: by its name or its first two lines, the source is JSON Lines, a table or subtitles.
    """
    start = list(itertools.islice(lines, 2))
    _check_are_lines(start, source, text_option)
    return itertools.chain(start, lines)


def _check_are_lines(start: list[str], source: str, text_option: str | None) -> None:
    from lmctl.text.formats.json_lines import first_object, names_of_fields
    from lmctl.text.formats.recognition import suffix_of
    from lmctl.text.formats.subtitles import SUFFIXES, are_subtitles
    from lmctl.text.formats.tables import columns_of

    if not start:
        return
    suffix = suffix_of(source)
    record = first_object(start[0])
    if record is not None or suffix in (".jsonl", ".ndjson"):
        names = names_of_fields(record or {})
        fields = f" with the field{'s' if ', ' in names else ''} {names}" if names else ""
        form, part, option = f"JSON Lines{fields}", "field", "--field FIELD "
    elif suffix in (".csv", ".tsv"):
        names = listed([quoted(name, 30) for name in columns_of(start[0], suffix)])
        form, part, option = f"a table with the columns {names}", "column", "--column COLUMN "
    elif suffix in SUFFIXES or are_subtitles("\n".join(start), is_whole=True):
        form, part, option = "subtitles", "", ""
    else:
        return
    if part and text_option:
        raise DataError(f"{source}: {form}; name the {part} that has the text with {text_option}")
    raise DataError(
        f"{source}: {form}; expected lines of text, as `lmctl prepare --stdout --segmenter space {option}FILE` "
        "prints them"
    )


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
