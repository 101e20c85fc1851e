"""`lmctl surprisal`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.options import (
    cache_option,
    check_cache,
    encoding_options,
    header_option,
    json_option,
    message_options,
    model_option,
    state_option,
)
from lmctl.cli.parameters import PathName
from lmctl.cli.queries import arriving_queries, check_files, only_lines
from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.query.surprisal import Item, Words, WordSurprisal
    from lmctl.store.figures import State


WORDS: dict[str, Words] = {"attach": "given", "separate": "given_without_punctuation"}


@click.command()
@click.argument("file", required=False, type=PathName(), metavar="[FILE|-]", shell_complete=complete_files)
@model_option
@click.option(
    "--words-given",
    is_flag=True,
    help="White space separates the words, and the surprisals of the tokens of a word are added.  [default: each "
    "token is a word]",
)
@click.option(
    "--punctuation",
    type=click.Choice(["attach", "separate"]),
    help="With --words-given: attach: punctuation marks belong to the word that they stand at; separate: marks "
    "at the edges of a word are words.  [default: attach]",
)
@click.option(
    "--entropy",
    is_flag=True,
    help="Also print the entropy of the distribution that predicts each word, in bits.  [default: not computed]",
)
@click.option(
    "--eos/--no-eos", default=True, help="Print a row for </s>, the end of each sentence.  [default: --eos]"
)
@state_option
@cache_option
@click.option(
    "--context-file",
    type=PathName(),
    metavar="FILE",
    help="File with a line for each sentence, which is read before the sentence and not printed.  [default: no "
    "context]",
)
@click.option(
    "--id-column",
    metavar="COLUMN",
    help="Column of ids in a table or JSON Lines: its number from 1, its name in the first line, or a field such "
    "as item.id.  [default: the id is the number of the line]",
)
@click.option(
    "--text-column",
    metavar="COLUMN",
    help="Column or field of the sentences.  [default: the last column with --id-column, else the whole line]",
)
@click.option(
    "--format",
    type=click.Choice(["tsv", "jsonl"]),
    help="tsv: tab-separated, six decimals; jsonl: a JSON object on each line.  [default: tsv]",
)
@json_option
@header_option
@encoding_options
@message_options
def surprisal(
    file: str | None,
    model: str | None,
    words_given: bool,
    punctuation: str | None,
    entropy: bool,
    eos: bool,
    state: State,
    cache: int,
    context_file: str | None,
    id_column: str | None,
    text_column: str | None,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Print the surprisal of each word of FILE, -log2 of its probability after the words before it, in bits.

    Each line of FILE is a sentence. Without FILE, the text is read from standard input, and each line is answered
    as soon as it arrives.

    Columns: line; id; index of the word in its sentence; word as it stands in the text; start and end, the places
    of its characters in the sentence, from 0; bits; entropy; oov, 1 if the word is outside the vocabulary.

    \b
    Example:
        lmctl surprisal -m models/news items.txt > surprisal.tsv
        lmctl surprisal --words-given --id-column item items.tsv
    """
    check_cache(cache, state)
    check_files(() if file is None else (file,))
    if punctuation is not None and not words_given:
        raise click.UsageError("--punctuation needs --words-given; without it, each token is a word")
    if context_file is not None and state == "carry":
        raise click.UsageError("--context-file needs --state reset; a carried state has the sentences before it")

    from lmctl.cli.columns import Columns
    from lmctl.query.model import load_named
    from lmctl.query.surprisal import Item, surprisals
    from lmctl.text.reading import read_lines
    from lmctl.text.sources import STDIN, check_sources

    source = "standard input" if file in (None, STDIN) else str(file)
    check_sources([file or STDIN, *([] if context_file is None else [context_file])])
    columns = Columns(source, id_column, text_column, errors)
    opened = load_named(model, cache=cache)
    contexts = None
    if context_file is not None:
        contexts = only_lines(read_lines(context_file, encoding=encoding, errors=errors), context_file)
    ids: dict[int, str] = {}

    def items(lines: Sequence[str]) -> Iterator[Item]:
        for line, name, text in columns(lines):
            ids[line] = name
            context = "" if contexts is None else next(contexts, None)
            if context is None:
                raise DataError(f"{context_file}: ends before line {line} of {source}; expected a line for each")
            yield Item(line, text, context)

    batches = arriving_queries(
        (),
        file,
        encoding=encoding,
        errors=errors,
        long_lines="refuse",
        are_lines=not columns.are_named,
        text_option="--text-column",
    )
    scored = surprisals(
        opened,
        map(items, batches),
        state=state,
        words=WORDS[punctuation or "attach"] if words_given else "tokens",
        sentence_end=eos,
        entropy=entropy,
    )
    printer = _Printer(format or "tsv", entropy=entropy, header=header)
    for sentences in scored:
        for item, words in sentences:
            printer.print(item.line, ids.pop(item.line), words)
        sys.stdout.flush()
    columns.finish()
    if contexts is not None and next(contexts, None) is not None:
        raise DataError(f"{context_file}: has more lines than {source}; expected a line for each sentence")


class _Printer:
    """Prints a row for each word."""

    def __init__(self, format: str, *, entropy: bool, header: bool) -> None:
        self._jsonl = format == "jsonl"
        self._entropy = entropy
        if header and not self._jsonl:
            entropy_column = ["entropy"] if entropy else []
            sys.stdout.write(
                "\t".join(["line", "id", "index", "word", "start", "end", "bits", *entropy_column, "oov"])
            )
            sys.stdout.write("\n")

    def print(self, line: int, name: str, words: list[WordSurprisal]) -> None:
        from lmctl.cli import tsv
        from lmctl.cli.output import encode_json

        for word in words:
            place: dict[str, Any] = {"line": line, "id": name, "index": word.index, "word": word.word}
            place |= {"start": word.start, "end": word.end}
            if self._jsonl:
                entropy = {"entropy": word.entropy} if self._entropy else {}
                row = encode_json({**place, "bits": word.bits, **entropy, "oov": word.oov}).decode()
            else:
                figures = [word.bits, *([word.entropy] if self._entropy else [])]
                row = tsv.row((*place.values(), *figures, int(word.oov)))
            sys.stdout.write(f"{row}\n")
