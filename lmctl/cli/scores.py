"""The formats of `lmctl eval`, one class each."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lmctl.cli import tsv
from lmctl.cli.output import encode_json, terminal_console
from lmctl.cli.terminal import visible
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN, UNKNOWN_ID
from lmctl.errors import UsageError
from lmctl.query.metrics import LN_2, LN_10, sentence_figures
from lmctl.query.toolkits import DIGITS, SRILM_DIGITS, KenLMTally, log10_probs, ngram_lengths
from lmctl.store.log10 import LOG10_ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from lmctl.query.metrics import Figures
    from lmctl.query.scoring import SentenceScore


def make_printer(format: str | None, level: str) -> Printer:
    """The printer of a format; None: a table on a terminal, otherwise tsv."""
    if format is None:
        format = "table" if sys.stdout.isatty() and level == "summary" else "tsv"
    printers = {"kenlm": KenLMPrinter, "srilm": SRILMPrinter, "tsv": TSVPrinter, "jsonl": JSONLPrinter}
    if format == "table":
        if level != "summary":
            raise UsageError(f"--format table shows summaries; for --level {level} use kenlm, srilm, tsv or jsonl")
        return TablePrinter(level)
    return printers[format](level)


class Printer:
    """Prints scores as they come: every sentence (and its words), then every text, then all of them.

    Args:
        level: summary, sentence or word.
    """

    def __init__(self, level: str) -> None:
        self._shows_words = level == "word"
        self._shows_sentences = level != "summary"

    def sentence(self, name: str, score: SentenceScore) -> None:
        """One sentence of a text has been scored."""

    def text(self, name: str, figures: Figures) -> None:
        """A text has been scored."""

    def end(self, results: Sequence[tuple[str, Figures]]) -> None:
        """All texts have been scored."""


class KenLMPrinter(Printer):
    """As KenLM's `query`: log10 probabilities; word=id, length of the n-gram, log10 p; a line for every line."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._tally = KenLMTally()

    def sentence(self, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        log10s = log10_probs(score, zero=LOG10_ZERO)
        total = self._tally.add(log10s, score)
        if self._shows_words:
            _echo(
                "".join(
                    f"{word}={token_id} {length} {_kenlm_digits(log10, score)}\t"
                    for word, token_id, length, log10 in zip(
                        (*score.words, SENTENCE_END), score.token_ids, ngram_lengths(score), log10s, strict=True
                    )
                ),
                nl=False,
            )
        if self._shows_sentences:
            _echo(f"Total: {_kenlm_digits(total, score)} OOV: {score.oov}")

    def text(self, name: str, figures: Figures) -> None:  # noqa: ARG002
        _echo(f"Perplexity including OOVs:\t{self._tally.perplexity():.10g}")
        _echo(f"Perplexity excluding OOVs:\t{self._tally.perplexity_excluding_oov():.10g}")
        _echo(f"OOVs:\t{figures.oov}")
        _echo(f"Tokens:\t{figures.tokens}")
        self._tally = KenLMTally()


class SRILMPrinter(Printer):
    """As SRILM's `ngram -ppl` with -debug 0, 1 and 2: log10 probabilities, OOVs and zeroprobs left out."""

    def sentence(self, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        if not self._shows_sentences:
            return
        _echo(" ".join(score.words))
        if self._shows_words:
            self._words(score)
        self._counts("1", sentence_figures(score))
        _echo("")

    def text(self, name: str, figures: Figures) -> None:
        self._counts(f"file {tsv.field(name)}: {figures.sentences}", figures)

    def _words(self, score: SentenceScore) -> None:
        words = [
            UNKNOWN if token_id == UNKNOWN_ID else word
            for word, token_id in zip((*score.words, SENTENCE_END), score.token_ids, strict=True)
        ]
        digits = DIGITS if score.ngram_lengths is None else SRILM_DIGITS
        log10s = log10_probs(score, zero=-math.inf).tolist()
        for place, (word, token_id, length, log10) in enumerate(
            zip(words, score.token_ids, ngram_lengths(score), log10s, strict=True)
        ):
            context = f"{words[place - 1]} ..." if place else "<s> "
            if token_id == UNKNOWN_ID:
                found = "[OOV] 0 [ -inf ]"
            else:
                found = f"[{length}gram] {10.0**log10:.{digits}g} [ {log10:.{digits}g} ]"
            _echo(f"\tp( {word} | {context}) \t= {found}")

    @staticmethod
    def _counts(sentences: str, figures: Figures) -> None:
        ppl, ppl1 = (
            "undefined" if math.isinf(figure) else f"{figure:.{SRILM_DIGITS}g}"
            for figure in (figures.srilm_ppl, figures.ppl1)
        )
        _echo(f"{sentences} sentences, {figures.words} words, {figures.oov} OOVs")
        _echo(
            f"{figures.zeroprobs} zeroprobs, logprob= {figures.srilm_logprob10:.{SRILM_DIGITS}g} "
            f"ppl= {ppl} ppl1= {ppl1}"
        )


class TSVPrinter(Printer):
    """Tab-separated with a header line; logprob10 is log10; nothing is rounded below 1e-6."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._number = 0
        if self._shows_words:
            _echo("file\tsentence\tline\tposition\tword\toov\tlogprob10\tsurprisal_bits\trank")
        elif self._shows_sentences:
            _echo("file\tsentence\tline\twords\toov\tlogprob10\tperplexity")

    def sentence(self, name: str, score: SentenceScore) -> None:
        self._number += 1
        if self._shows_words:
            ranks = [""] * len(score.token_ids) if score.ranks is None else list(map(str, score.ranks.tolist()))
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                is_oov = int(token_id == UNKNOWN_ID)
                _echo(
                    f"{tsv.field(name)}\t{self._number}\t{score.line}\t{position}\t{tsv.field(word)}\t{is_oov}\t"
                    f"{nats / LN_10:.6f}\t{-nats / LN_2:.6f}\t{rank}"
                )
        elif self._shows_sentences:
            figures = sentence_figures(score)
            _echo(
                f"{tsv.field(name)}\t{self._number}\t{score.line}\t{len(score.words)}\t{score.oov}\t{figures.logprob10:.6f}\t"
                f"{figures.perplexity:.6f}"
            )

    def text(self, name: str, figures: Figures) -> None:  # noqa: ARG002
        self._number = 0

    def end(self, results: Sequence[tuple[str, Figures]]) -> None:
        if self._shows_sentences:
            return
        rows = [{"file": name} | _flat(figures) for name, figures in results]
        _echo("\t".join(rows[0]))
        for row in rows:
            _echo("\t".join(_cell(value) for value in row.values()))


class JSONLPrinter(Printer):
    """One JSON object a line, told apart by `level`; logprob is the natural log."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._number = 0

    def sentence(self, name: str, score: SentenceScore) -> None:
        self._number += 1
        place = {"file": name, "sentence": self._number, "line": score.line}
        if self._shows_words:
            ranks = [None] * len(score.token_ids) if score.ranks is None else score.ranks.tolist()
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                _echo_json(
                    {"level": "word", **place, "position": position, "word": word}
                    | {
                        "oov": token_id == UNKNOWN_ID,
                        "logprob": nats,
                        "surprisal_bits": -nats / LN_2,
                        "rank": rank,
                    }
                )
        if self._shows_sentences:
            _echo_json(
                {"level": "sentence", **place, "words": len(score.words), "oov": score.oov}
                | {"characters": score.characters, "logprob": score.total_log_prob}
            )

    def text(self, name: str, figures: Figures) -> None:
        self._number = 0
        _echo_json({"level": "summary", "file": name, **msgspec.to_builtins(figures)})


class TablePrinter(Printer):
    """For people: a row for each text; ranks, where they were asked for, in a table of their own."""

    def end(self, results: Sequence[tuple[str, Figures]]) -> None:
        from rich.text import Text

        console = terminal_console()
        first = results[0][1]
        figures_table = _table(
            "tokens", "OOV", "perplexity", "without\nOOVs", "nats per\ntoken", "bits per\ncharacter"
        )
        ranks_table = _table(*(f"accuracy@{k}" for k in first.accuracy or {}), "MRR")
        for name, figures in results:
            figures_table.add_row(
                Text(visible(tsv.field(name))),
                f"{figures.tokens:,}",
                f"{100 * figures.oov_rate:.2f} %",
                f"{figures.perplexity:.2f}",
                f"{figures.perplexity_excluding_oov:.2f}",
                f"{figures.cross_entropy_nats:.4f}",
                "" if figures.bits_per_character is None else f"{figures.bits_per_character:.4f}",
            )
            if figures.accuracy and figures.mean_reciprocal_rank is not None:
                shares = [f"{100 * share:.2f} %" for share in figures.accuracy.values()]
                ranks_table.add_row(Text(visible(tsv.field(name))), *shares, f"{figures.mean_reciprocal_rank:.4f}")
        console.print(figures_table)
        if first.accuracy:
            console.print()
            console.print(ranks_table)
        console.print(
            f"vocabulary {first.vocabulary_size:,}; state {first.state}; "
            + (f"cache of {first.cache:,} words; " if first.cache else "")
            + "perplexity includes OOVs as <unk>"
        )


def _kenlm_digits(log10: np.float32, score: SentenceScore) -> str:
    """The fewest digits that give a float32 back, as KenLM prints; of a network, as many as are sure."""
    if score.ngram_lengths is None:
        return f"{log10:.{DIGITS}g}"
    return np.format_float_positional(log10, unique=True, trim="-")


def _table(*headings: str) -> Table:
    """A table with a row for each text; where the terminal is narrow, names are folded, figures never."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("text", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _flat(figures: Figures) -> dict[str, Any]:
    """Figures as one row: an accuracy becomes a column for each k."""
    row: dict[str, Any] = msgspec.to_builtins(figures)
    accuracy = row.pop("accuracy") or {}
    row |= {f"accuracy@{k}": share for k, share in accuracy.items()}
    return row


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else tsv.field(value)


def _echo(text: str, *, nl: bool = True) -> None:
    """Print without flushing: there may be a line for every word of a corpus."""
    sys.stdout.write(f"{text}\n" if nl else text)


def _echo_json(value: dict[str, Any]) -> None:
    _echo(encode_json(value).decode())
