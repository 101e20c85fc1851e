"""`lmctl rank`."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import click

from lmctl.cli.options import (
    encoding_options,
    header_option,
    json_option,
    message_options,
    model_option,
    queries_option,
)
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts
from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.query.ranking import Ranked

FORMATS = ("table", "plain", "tsv", "jsonl")
# Candidates of one group. All of them are in memory until the group ends.
MOST_CANDIDATES = 100_000


@click.command()
@click.argument("sentences", nargs=-1, metavar="[SENTENCE]...")
@model_option
@queries_option("sentences")
@click.option(
    "--per",
    type=click.Choice(["sentence", "token", "character"]),
    default="sentence",
    show_default=True,
    help="sentence: the bits of the whole sentence, of which shorter ones have fewer; token: divided by the "
    "number of tokens, </s> among them; character: divided by the number of characters.",
)
@click.option("--best", is_flag=True, help="Print only the best sentence of each group.  [default: all]")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="table: for a terminal; plain: the sentences alone; tsv: tab-separated, six decimals; jsonl: a JSON "
    "object on each line.  [default: table on a terminal, else plain]",
)
@json_option
@header_option
@encoding_options
@message_options
def rank(
    sentences: tuple[str, ...],
    model: str | None,
    file: str | None,
    per: str,
    best: bool,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Order SENTENCEs by how probable they are, the most probable first.

    Without SENTENCE, they are read from standard input, one on each line. A blank line ends a group; each group is
    ordered for itself, and answered as soon as it ends.

    Columns: group; rank; line of the sentence; bits, -log2 of its probability with its end; margin, the bits by
    which it is better than the next one; oov, the number of words outside the vocabulary; sentence.

    \b
    Example:
        lmctl rank "they left their house" "they left there house"
        lmctl rank --best < candidates.txt
    """
    model, sentences = model_and_texts(model, sentences)
    check_queries(sentences, file, "sentences", "SENTENCE")
    from lmctl.query.model import load_named
    from lmctl.query.ranking import rank_sentences

    opened = load_named(model)
    printer = _Printer(
        format or ("table" if sys.stdout.isatty() else "plain"), header=header, blank_lines=not best
    )
    batches = arriving_queries(
        sentences,
        file,
        encoding=encoding,
        errors=errors,
        long_lines="refuse",
        argument="SENTENCE",
    )
    for group in _groups(batches, bool(sentences)):
        ranked = rank_sentences(opened, [text for _, text in group], per=per)
        printer.print([(group[found.place][0], found) for found in (ranked[:1] if best else ranked)])
    printer.end()


def _groups(batches: Iterable[Sequence[str]], are_arguments: bool) -> Iterator[list[tuple[int, str]]]:
    """Yield the groups of sentences between blank lines, with the number of each line. Arguments are one group."""
    number = itertools.count(1)
    group: list[tuple[int, str]] = []
    for line in itertools.chain.from_iterable(batches):
        place = next(number)
        if line.strip() or are_arguments:
            group.append((place, line))
            if len(group) > MOST_CANDIDATES:
                raise DataError(
                    f"line {place}: more than {MOST_CANDIDATES} sentences in a group; "
                    "separate groups by blank lines"
                )
        elif group:
            yield group
            group = []
    if group:
        yield group


class _Printer:
    """Prints groups of ranked sentences.

    Args:
        format: table, plain, tsv or jsonl.
        header: whether the first line of tsv has the names of the columns.
        blank_lines: whether plain groups have a blank line between them, because a group may have several lines.
    """

    def __init__(self, format: str, *, header: bool, blank_lines: bool) -> None:
        self._format = format
        self._header = header and format == "tsv"
        self._blank_lines = blank_lines
        self._group = 0

    def print(self, ranked: Sequence[tuple[int, Ranked]]) -> None:
        """Print a group, best first, and flush, because a reader may be waiting."""
        self._group += 1
        if self._format == "table":
            self._table(ranked)
            return
        rows = ["\n"] if self._format == "plain" and self._group > 1 and self._blank_lines else []
        rows += [self._row(line, rank, found) for rank, (line, found) in enumerate(ranked, start=1)]
        self._heading()
        sys.stdout.write("".join(rows))
        sys.stdout.flush()

    def end(self) -> None:
        """Print what stands even if there was no sentence."""
        self._heading()

    def _heading(self) -> None:
        if self._header:
            sys.stdout.write("group\trank\tline\tbits\tmargin\toov\tsentence\n")
        self._header = False

    def _row(self, line: int, rank: int, found: Ranked) -> str:
        from lmctl.cli import tsv
        from lmctl.cli.output import encode_json

        if self._format == "plain":
            return f"{found.sentence}\n"
        if self._format == "jsonl":
            place: dict[str, Any] = {"group": self._group, "rank": rank, "line": line}
            figures = {"bits": found.bits, "margin": found.margin, "oov": found.oov}
            return encode_json({**place, **figures, "sentence": found.sentence}).decode() + "\n"
        return tsv.row((self._group, rank, line, found.bits, found.margin, found.oov, found.sentence)) + "\n"

    def _table(self, ranked: Sequence[tuple[int, Ranked]]) -> None:
        from lmctl.cli import tables
        from lmctl.cli.output import terminal_console

        console = terminal_console()
        columns = [tables.Column("bits"), tables.Column("margin")]
        rows = [
            (found.sentence, (f"{found.bits:z.2f}", "" if found.margin is None else f"{found.margin:z.2f}"))
            for _, found in ranked
        ]
        tables.show(console, "sentence", columns, rows)
        console.print()
