"""The formats of `lmctl eval` for models that fill gaps: pseudo-log-likelihoods and pseudo-perplexities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmctl.cli import tables, tsv
from lmctl.cli.output import terminal_console
from lmctl.cli.score_tables import print_heading, print_sentence, show_texts, vocabularies
from lmctl.cli.scores import Printer, Scored, chosen_format, echo_line, echo_object, print_object, print_rows
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.query.metrics import surprisal_bits
from lmctl.query.pseudo_metrics import pseudo_sentence_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.query.gap_scoring import GapScore
    from lmctl.query.pseudo_metrics import PseudoFigures

# 42 cells; the rest of a line shows the sentence.
_SENTENCE = "{:>5}  {:>5}  {:>3}  {:>9}  {:>12}"


def make_gap_printer(format: str | None, level: str, *, header: bool = True) -> Printer[GapScore, PseudoFigures]:
    """Make the printer of a format: table, tsv or jsonl; None: see `chosen_format`."""
    format = chosen_format(format)
    if format == "tsv":
        return TSVPrinter(level, header=header)
    return TablePrinter(level) if format == "table" else JSONLPrinter(level)


class TSVPrinter(Printer["GapScore", "PseudoFigures"]):
    """Prints tab-separated rows, with six decimals; pll and logprob are natural logs.

    Args:
        level: summary, sentence or word.
        header: whether the first line has the names of the columns.
    """

    def __init__(self, level: str, *, header: bool) -> None:
        super().__init__(level)
        self._header = header
        if header and self._shows_words:
            echo_line("file\tsentence\tline\tposition\tword\toov\tlogprob\tsurprisal_bits\trank\tmodel")
        elif header and self._shows_sentences:
            echo_line("file\tsentence\tline\twords\toov\tpll\tpseudo_perplexity\tmodel")

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        self._number += 1
        place, of_model = tsv.row((name, self._number, score.line)), tsv.field(model)
        if self._shows_words:
            for position, (word, is_oov, nats, rank) in enumerate(_words(score), start=1):
                scored = (position, word, int(is_oov), nats, surprisal_bits(nats), rank)
                echo_line(f"{place}\t{tsv.row(scored)}\t{of_model}")
        elif self._shows_sentences:
            figures = pseudo_sentence_figures(score)
            counted = tsv.row((len(score.words), score.oov, figures.pll, figures.pseudo_perplexity))
            echo_line(f"{place}\t{counted}\t{of_model}")

    def end(self, results: Sequence[Scored[PseudoFigures]]) -> None:
        if not self._shows_sentences:
            print_rows(results, header=self._header)


class JSONLPrinter(Printer["GapScore", "PseudoFigures"]):
    """Prints a JSON object on each line; `level` says what it describes, and logprob is the natural log."""

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        self._number += 1
        place = {"file": name, "model": model, "sentence": self._number, "line": score.line}
        if self._shows_words:
            for position, (word, is_oov, nats, rank) in enumerate(_words(score), start=1):
                echo_object(
                    {"level": "word", **place, "position": position, "word": word, "oov": is_oov}
                    | {"logprob": nats, "surprisal_bits": surprisal_bits(nats), "rank": rank}
                )
        if self._shows_sentences:
            figures = pseudo_sentence_figures(score)
            echo_object(
                {"level": "sentence", **place, "words": len(score.words), "oov": score.oov}
                | {"pll": figures.pll, "pseudo_perplexity": figures.pseudo_perplexity}
            )

    def text(self, scored: Scored[PseudoFigures]) -> None:
        super().text(scored)
        print_object(scored)


class TablePrinter(Printer["GapScore", "PseudoFigures"]):
    """Prints tables: sentences or words as they are scored, if the level asks for them, then all texts."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._console = terminal_console()

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        if not self._shows_sentences:
            return
        if not self._number:
            columns = _SENTENCE.format("line", "words", "OOV", "pll", "pseudo-ppl")
            print_heading(self._console, model, name, None if self._shows_words else columns)
        self._number += 1
        if self._shows_words:
            self._print_words(score)
            return
        figures = pseudo_sentence_figures(score)
        row = _SENTENCE.format(
            score.line, len(score.words), score.oov, f"{figures.pll:z.4f}", f"{figures.pseudo_perplexity:.2f}"
        )
        print_sentence(self._console, row, score.words)

    def _print_words(self, score: GapScore) -> None:
        has_ranks = score.ranks is not None
        columns = [tables.Column("ln p"), tables.Column("probability")]
        columns += [tables.Column("rank")] if has_ranks else []
        columns.append(tables.Column("", right=False))
        rows = [
            (
                word,
                (
                    f"{nats:z.4f}",
                    f"{math.exp(nats):.4g}",
                    *([str(rank)] if has_ranks else []),
                    "OOV" if is_oov else "",
                ),
            )
            for word, is_oov, nats, rank in _words(score)
        ]
        tables.show(self._console, f"line {score.line}", columns, rows)
        self._console.print()

    def end(self, results: Sequence[Scored[PseudoFigures]]) -> None:
        if self._shows_sentences and not self._shows_words:
            self._console.print()
        columns = [
            tables.Column("words"),
            tables.Column("OOV"),
            tables.Column("pseudo-\nperplexity"),
            tables.Column("without\nOOVs"),
            tables.Column("nats per\nword"),
        ]
        rows = []
        for _, _, figures in results:
            without = figures.pseudo_perplexity_excluding_oov
            rows.append(
                [
                    f"{figures.words:,}",
                    f"{100 * figures.oov_rate:.2f} %",
                    f"{figures.pseudo_perplexity:.2f}",
                    "" if without is None else f"{without:.2f}",
                    f"{figures.pseudo_cross_entropy_nats:z.4f}",
                ]
            )
        show_texts(self._console, results, columns, rows)
        self._console.print(
            f"{vocabularies(results)}; each word is hidden in turn; OOVs are <unk>; a pseudo-perplexity does not "
            "compare with a perplexity",
            markup=False,
        )


def _words(score: GapScore) -> Iterator[tuple[str, bool, float, int | None]]:
    """The words of a sentence: each with whether it is an OOV, its natural log probability and its rank."""
    ranks = [None] * len(score.words) if score.ranks is None else score.ranks.tolist()
    unknown = [token_id == UNKNOWN_ID for token_id in score.token_ids]
    return zip(score.words, unknown, score.log_probs.tolist(), ranks, strict=True)
