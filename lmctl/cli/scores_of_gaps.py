"""The formats of `lmctl eval` for models that fill gaps: pseudo-log-likelihoods and pseudo-perplexities."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from lmctl.cli import tables, tsv
from lmctl.cli.output import terminal_console
from lmctl.cli.scores import cell, echo_line, echo_object, flat_row
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.query.metrics import LN_2
from lmctl.query.pseudo_metrics import pseudo_sentence_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.query.gap_scoring import GapScore
    from lmctl.query.pseudo_metrics import PseudoFigures

# 42 cells; the rest of a line shows the sentence.
_SENTENCE = "{:>5}  {:>5}  {:>3}  {:>9}  {:>12}"


class PseudoScored(NamedTuple):
    """The figures of a text under a model.

    Attributes:
        model: the name of the model, as it was given.
        file: the name of the text, as it was given.
        figures: of the whole text.
    """

    model: str
    file: str
    figures: PseudoFigures


def make_pseudo_printer(format: str | None, level: str, *, header: bool = True) -> PseudoPrinter:
    """Make the printer of a format: table, tsv or jsonl; None: table on a terminal, else tsv."""
    if format is None:
        format = "table" if sys.stdout.isatty() else "tsv"
    if format == "tsv":
        return TSVPrinter(level, header=header)
    return TablePrinter(level) if format == "table" else JSONLPrinter(level)


class PseudoPrinter:
    """Prints scores as they are computed; its methods are called for each sentence, for each text, and at the end.

    Args:
        level: summary, sentence or word.
    """

    def __init__(self, level: str) -> None:
        self._shows_words = level == "word"
        self._shows_sentences = level != "summary"
        self._number = 0

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        """Print a sentence that has been scored."""

    def text(self, scored: PseudoScored) -> None:  # noqa: ARG002
        """Print the figures of a text, all of whose sentences have been printed."""
        self._number = 0

    def end(self, results: Sequence[PseudoScored]) -> None:
        """Print what follows the last text."""


class TSVPrinter(PseudoPrinter):
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
                echo_line(
                    f"{place}\t{position}\t{tsv.field(word)}\t{int(is_oov)}\t{nats:.6f}\t{-nats / LN_2:.6f}\t"
                    f"{'' if rank is None else rank}\t{of_model}"
                )
        elif self._shows_sentences:
            figures = pseudo_sentence_figures(score)
            counts = f"{len(score.words)}\t{score.oov}"
            echo_line(f"{place}\t{counts}\t{figures.pll:.6f}\t{figures.pseudo_perplexity:.6f}\t{of_model}")

    def end(self, results: Sequence[PseudoScored]) -> None:
        if self._shows_sentences:
            return
        rows = [{"file": name} | flat_row(figures) | {"model": model} for model, name, figures in results]
        if self._header:
            echo_line(tsv.row(rows[0]))
        for row in rows:
            echo_line("\t".join(cell(value) for value in row.values()))


class JSONLPrinter(PseudoPrinter):
    """Prints a JSON object on each line; `level` says what it describes, and logprob is the natural log."""

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        self._number += 1
        place = {"file": name, "model": model, "sentence": self._number, "line": score.line}
        if self._shows_words:
            for position, (word, is_oov, nats, rank) in enumerate(_words(score), start=1):
                echo_object(
                    {"level": "word", **place, "position": position, "word": word, "oov": is_oov}
                    | {"logprob": nats, "surprisal_bits": -nats / LN_2, "rank": rank}
                )
        if self._shows_sentences:
            figures = pseudo_sentence_figures(score)
            echo_object(
                {"level": "sentence", **place, "words": len(score.words), "oov": score.oov}
                | {"pll": figures.pll, "pseudo_perplexity": figures.pseudo_perplexity}
            )

    def text(self, scored: PseudoScored) -> None:
        super().text(scored)
        model, name, figures = scored
        echo_object({"level": "summary", "file": name, "model": model, **msgspec.to_builtins(figures)})


class TablePrinter(PseudoPrinter):
    """Prints tables: sentences or words as they are scored, if the level asks for them, then all texts."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._console = terminal_console()

    def sentence(self, model: str, name: str, score: GapScore) -> None:
        if not self._shows_sentences:
            return
        if not self._number:
            for line in tables.wrap(f"{tables.field(model)}: {tables.field(name)}", self._console.width):
                self._console.print(line, style="bold", markup=False)
            if not self._shows_words:
                heading = _SENTENCE.format("line", "words", "OOV", "pll", "pseudo-ppl")
                self._console.print(heading, style="bold")
        self._number += 1
        if self._shows_words:
            self._print_words(score)
            return
        figures = pseudo_sentence_figures(score)
        row = _SENTENCE.format(
            score.line, len(score.words), score.oov, f"{figures.pll:.4f}", f"{figures.pseudo_perplexity:.2f}"
        )
        room = self._console.width - len(row) - len(tables.GAP)
        if room >= tables.LEAST_NAME:
            row += tables.GAP + tables.shorten(tables.field(" ".join(score.words)), room)
        self._console.print(row, markup=False, no_wrap=True, crop=False)

    def _print_words(self, score: GapScore) -> None:
        has_ranks = score.ranks is not None
        columns = [tables.Column("ln p"), tables.Column("probability")]
        columns += [tables.Column("rank")] if has_ranks else []
        columns.append(tables.Column("", right=False))
        rows = [
            (
                word,
                (
                    f"{nats:.4f}",
                    f"{math.exp(nats):.4g}",
                    *([str(rank)] if has_ranks else []),
                    "OOV" if is_oov else "",
                ),
            )
            for word, is_oov, nats, rank in _words(score)
        ]
        tables.show(self._console, f"line {score.line}", columns, rows)
        self._console.print()

    def end(self, results: Sequence[PseudoScored]) -> None:
        several = len({scored.model for scored in results}) > 1
        if self._shows_sentences and not self._shows_words:
            self._console.print()
        of_model = [tables.Column("model", right=False)] if several else []
        columns = [
            *of_model,
            tables.Column("words"),
            tables.Column("OOV"),
            tables.Column("pseudo-\nperplexity"),
            tables.Column("without\nOOVs"),
            tables.Column("nats per\nword"),
        ]
        rows, ranks = [], []
        for model, name, figures in results:
            place = [tables.shorten(model, tables.LEAST_NAME)] if several else []
            without = figures.pseudo_perplexity_excluding_oov
            cells = [
                f"{figures.words:,}",
                f"{100 * figures.oov_rate:.2f} %",
                f"{figures.pseudo_perplexity:.2f}",
                "" if without is None else f"{without:.2f}",
                f"{figures.pseudo_cross_entropy_nats:.4f}",
            ]
            rows.append((name, [*place, *cells]))
            if figures.accuracy and figures.mean_reciprocal_rank is not None:
                shares = [f"{100 * share:.2f} %" for share in figures.accuracy.values()]
                ranks.append((name, [*place, *shares, f"{figures.mean_reciprocal_rank:.4f}"]))
        tables.show(self._console, "text", columns, rows)
        if ranks:
            self._console.print()
            headings = [tables.Column(f"accuracy\n@{k}") for k in results[0].figures.accuracy or {}]
            tables.show(self._console, "text", [*of_model, *headings, tables.Column("MRR")], ranks)
        vocabularies = sorted({scored.figures.vocabulary_size for scored in results})
        self._console.print(
            f"vocabulary {' and '.join(f'{size:,}' for size in vocabularies)}; each word is hidden in turn; OOVs "
            "are <unk>; a pseudo-perplexity does not compare with a perplexity",
            markup=False,
        )


def _words(score: GapScore) -> Iterator[tuple[str, bool, float, int | None]]:
    """The words of a sentence: each with whether it is an OOV, its natural log probability and its rank."""
    ranks = [None] * len(score.words) if score.ranks is None else score.ranks.tolist()
    unknown = [token_id == UNKNOWN_ID for token_id in score.token_ids]
    return zip(score.words, unknown, score.log_probs.tolist(), ranks, strict=True)
