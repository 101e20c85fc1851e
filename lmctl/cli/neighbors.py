"""`lmctl neighbors`."""

from __future__ import annotations

import click

from lmctl.cli.options import (
    answers_format_options,
    encoding_options,
    message_options,
    model_option,
    queries_option,
    top_option,
)
from lmctl.cli.queries import arriving_queries, check_queries, model_and_texts


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
@model_option
@queries_option("words")
@top_option("word")
@answers_format_options
@encoding_options
@message_options
def neighbors(
    words: tuple[str, ...],
    model: str | None,
    file: str | None,
    k: int,
    format: str | None,
    header: bool,
    encoding: str,
    errors: str,
) -> None:
    """Print the nearest words to each WORD, by the cosine of their vectors.

    Without WORD, words are read from standard input, one on each line. A word that is out of vocabulary has no
    neighbors: its line is empty. If -m is not given and the first WORD is the folder of a model, it names the
    model.

    The vectors are those of the input of a network. A mixture has the vectors of its first member with vectors.
    N-grams have no vectors.

    \b
    Formats:
        table   words and cosines with bars, for a terminal
        plain   word cosine word cosine ... (six significant digits)
        words   the words alone
        tsv     line, rank, word, cosine (six decimals)
        jsonl   line, word, oov, neighbors: word, cosine

    \b
    Example:
        lmctl neighbors -m models/news king
        lmctl neighbors -m models/news -k 10 --format tsv < words.txt
    """
    model, words = model_and_texts(model, words)
    check_queries(words, file, "words", "WORD")
    from lmctl.cli.neighborhoods import NeighborPrinter
    from lmctl.query.model import load_named
    from lmctl.query.vectors import Neighbors

    finder = Neighbors(load_named(model), k=k)
    printer = NeighborPrinter(format, header=header)
    for batch in arriving_queries(words, file, encoding=encoding, errors=errors, argument="WORD"):
        printer.print(finder.answer(batch))
    printer.end()
