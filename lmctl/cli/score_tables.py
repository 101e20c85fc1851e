"""The format `table` of `lmctl eval`, for terminals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmctl.cli import tables
from lmctl.cli.output import terminal_console
from lmctl.cli.scores import Printer, Scored
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN_ID
from lmctl.log10 import LN_10
from lmctl.query.metrics import sentence_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.query.scoring import SentenceScore

# 40 cells; the rest of a line shows the sentence.
_SENTENCE = "{:>5}  {:>5}  {:>3}  {:>9}  {:>10}"


class TablePrinter(Printer):
    """Prints tables: sentences or words as they are scored, if the level asks for them, then all texts."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._console = terminal_console()
        self._started = False

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:
        if not self._shows_sentences:
            return
        if not self._started:
            for line in tables.wrap(f"{tables.field(model)}: {tables.field(name)}", self._console.width):
                self._console.print(line, style="bold", markup=False)
            if not self._shows_words:
                self._console.print(
                    _SENTENCE.format("line", "words", "OOV", "log10 p", "perplexity"), style="bold"
                )
        self._started = True
        if self._shows_words:
            self._words(score)
            return
        figures = sentence_figures(score)
        row = _SENTENCE.format(
            score.line, len(score.words), score.oov, f"{figures.logprob10:.4f}", f"{figures.perplexity:.2f}"
        )
        room = self._console.width - len(row) - len(tables.GAP)
        if room >= tables.LEAST_NAME:
            row += tables.GAP + tables.shorten(tables.field(" ".join(score.words)), room)
        self._console.print(row, markup=False, no_wrap=True, crop=False)

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
            cells = [f"{nats / LN_10:.4f}", f"{math.exp(nats):.4g}"]
            cells += [] if score.ranks is None else [rank]
            rows.append((word, (*cells, "OOV" if token_id == UNKNOWN_ID else "")))
        tables.show(self._console, f"line {score.line}", columns, rows)
        self._console.print()

    def text(self, scored: Scored) -> None:  # noqa: ARG002
        self._started = False

    def end(self, results: Sequence[Scored]) -> None:
        first = results[0].figures
        several = len({scored.model for scored in results}) > 1
        if self._shows_sentences and not self._shows_words:
            self._console.print()
        columns = [
            *([tables.Column("model", right=False)] if several else []),
            tables.Column("tokens"),
            tables.Column("OOV"),
            tables.Column("perplexity"),
            tables.Column("without\nOOVs"),
            tables.Column("nats per\ntoken"),
            tables.Column("bits per\ncharacter"),
        ]
        rows, ranks = [], []
        for model, name, figures in results:
            # The name of a model is shortened, to leave room for the figures.
            place = [tables.shorten(model, tables.LEAST_NAME)] if several else []
            cells = [
                f"{figures.tokens:,}",
                f"{100 * figures.oov_rate:.2f} %",
                f"{figures.perplexity:.2f}",
                f"{figures.perplexity_excluding_oov:.2f}",
                f"{figures.cross_entropy_nats:.4f}",
                "" if figures.bits_per_character is None else f"{figures.bits_per_character:.4f}",
            ]
            rows.append((name, [*place, *cells]))
            if figures.accuracy and figures.mean_reciprocal_rank is not None:
                shares = [f"{100 * share:.2f} %" for share in figures.accuracy.values()]
                ranks.append((name, [*place, *shares, f"{figures.mean_reciprocal_rank:.4f}"]))
        tables.show(self._console, "text", columns, rows)
        if ranks:
            self._console.print()
            headings = [tables.Column(f"accuracy\n@{k}") for k in first.accuracy or {}]
            part = columns[:1] if several else []
            tables.show(self._console, "text", [*part, *headings, tables.Column("MRR")], ranks)
        vocabularies = sorted({scored.figures.vocabulary_size for scored in results})
        self._console.print(
            f"vocabulary {' and '.join(f'{size:,}' for size in vocabularies)}; state {first.state}; "
            + (f"cache of {first.cache:,} words; " if first.cache else "")
            + "perplexity includes OOVs as <unk>",
            markup=False,
        )
