"""The format `table` of `lmctl eval`, for terminals. `scores_of_gaps` shares its functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lmctl.cli import tables
from lmctl.cli.output import terminal_console
from lmctl.cli.scores import Printer
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN_ID
from lmctl.log10 import LN_10
from lmctl.query.metrics import sentence_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from lmctl.cli.scores import Scored
    from lmctl.query.metrics import Figures
    from lmctl.query.sentence_scores import SentenceScore

# 40 cells; the rest of a line shows the sentence.
_SENTENCE = "{:>5}  {:>5}  {:>3}  {:>9}  {:>10}"


class TablePrinter(Printer["SentenceScore", "Figures"]):
    """Prints tables: sentences or words as they are scored, if the level asks for them, then all texts."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._console = terminal_console()

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:
        if not self._shows_sentences:
            return
        if not self._number:
            columns = _SENTENCE.format("line", "words", "OOV", "log10 p", "perplexity")
            print_heading(self._console, model, name, None if self._shows_words else columns)
        self._number += 1
        if self._shows_words:
            self._words(score)
            return
        figures = sentence_figures(score)
        row = _SENTENCE.format(
            score.line, len(score.words), score.oov, f"{figures.logprob10:z.4f}", f"{figures.perplexity:.2f}"
        )
        print_sentence(self._console, row, score.words)

    def _words(self, score: SentenceScore) -> None:
        columns = [tables.Column("log10 p"), tables.Column("probability")]
        columns += [] if score.ranks is None else [tables.Column("rank")]
        columns.append(tables.Column("", right=False))
        words = (*score.words, SENTENCE_END)
        ranks = [""] * len(words) if score.ranks is None else list(map(str, score.ranks.tolist()))
        rows = []
        for word, token_id, nats, rank in zip(
            words, score.token_ids, score.log_probs.tolist(), ranks, strict=True
        ):
            cells = [f"{nats / LN_10:z.4f}", f"{math.exp(nats):.4g}"]
            cells += [] if score.ranks is None else [rank]
            rows.append((word, (*cells, "OOV" if token_id == UNKNOWN_ID else "")))
        tables.show(self._console, f"line {score.line}", columns, rows)
        self._console.print()

    def end(self, results: Sequence[Scored[Figures]]) -> None:
        first = results[0].figures
        if self._shows_sentences and not self._shows_words:
            self._console.print()
        columns = [
            tables.Column("tokens"),
            tables.Column("OOV"),
            tables.Column("perplexity"),
            *([tables.Column(f"{first.interval.confidence:g} %\ninterval")] if first.interval else []),
            tables.Column("without\nOOVs"),
            tables.Column("nats per\ntoken"),
            tables.Column("bits per\ncharacter"),
        ]
        rows = [
            [
                f"{figures.tokens:,}",
                f"{100 * figures.oov_rate:.2f} %",
                f"{figures.perplexity:.2f}",
                *([f"{figures.interval.low:.2f}–{figures.interval.high:.2f}"] if figures.interval else []),
                f"{figures.perplexity_excluding_oov:.2f}",
                f"{figures.cross_entropy_nats:z.4f}",
                "" if figures.bits_per_character is None else f"{figures.bits_per_character:z.4f}",
            ]
            for _, _, figures in results
        ]
        show_texts(self._console, results, columns, rows)
        self._console.print(
            f"{vocabularies(results)}; state {first.state}; "
            + (f"cache of {first.cache:,} words; " if first.cache else "")
            + (f"dynamic evaluation, rate {first.dynamic_rate:g}; " if first.dynamic_rate else "")
            + "perplexity includes OOVs as <unk>",
            markup=False,
        )


def print_heading(console: Console, model: str, name: str, columns: str | None) -> None:
    """Print the names of a model and a text, and of the columns of its sentences, if there are any."""
    for line in tables.wrap(f"{tables.field(model)}: {tables.field(name)}", console.width):
        console.print(line, style="bold", markup=False)
    if columns is not None:
        console.print(columns, style="bold")


def print_sentence(console: Console, row: str, words: Sequence[str]) -> None:
    """Print the figures of a sentence, and as much of the sentence as fits behind them."""
    room = console.width - len(row) - len(tables.GAP)
    if room >= tables.LEAST_NAME:
        row += tables.GAP + tables.shorten(tables.field(" ".join(words)), room)
    console.print(row, markup=False, no_wrap=True, crop=False)


def show_texts(
    console: Console,
    results: Sequence[Scored[Any]],
    columns: Sequence[tables.Column],
    rows: Sequence[Sequence[str]],
) -> None:
    """Show the figures of texts, a row each, and a second table of accuracies if they were computed.

    Args:
        console: the terminal.
        results: the texts.
        columns: the columns of `rows`.
        rows: the figures of each text.
    """
    several = len({scored.model for scored in results}) > 1
    of_model = [tables.Column("model", right=False)] if several else []
    # The name of a model is shortened, to leave room for the figures.
    places = [[tables.shorten(scored.model, tables.LEAST_NAME)] if several else [] for scored in results]
    names = [scored.file for scored in results]
    cells = [(name, [*place, *row]) for name, place, row in zip(names, places, rows, strict=True)]
    tables.show(console, "text", [*of_model, *columns], cells)
    ranks = []
    for place, (_, name, figures) in zip(places, results, strict=True):
        if figures.accuracy and figures.mean_reciprocal_rank is not None:
            shares = [f"{100 * share:.2f} %" for share in figures.accuracy.values()]
            ranks.append((name, [*place, *shares, f"{figures.mean_reciprocal_rank:.4f}"]))
    if ranks:
        console.print()
        headings = [tables.Column(f"accuracy\n@{k}") for k in results[0].figures.accuracy or {}]
        tables.show(console, "text", [*of_model, *headings, tables.Column("MRR")], ranks)


def vocabularies(results: Sequence[Scored[Any]]) -> str:
    """The sizes of the vocabularies of all models, in words."""
    sizes = sorted({scored.figures.vocabulary_size for scored in results})
    return f"vocabulary {' and '.join(f'{size:,}' for size in sizes)}"
