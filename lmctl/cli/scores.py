"""The formats of `lmctl eval`, one class each."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np

from lmctl.cli.output import echo_json, terminal_console
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN, UNKNOWN_ID
from lmctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from lmctl.query.metrics import Figures
    from lmctl.query.model import Model
    from lmctl.query.scoring import SentenceScore

LN_10 = math.log(10.0)
LEVELS = ("summary", "sentence", "word")


def make_printer(format: str | None, level: str, model: Model) -> Printer:
    """The printer of a format; None: a table on a terminal, otherwise tsv."""
    if format is None:
        format = "table" if sys.stdout.isatty() and level == "summary" else "tsv"
    printers = {"kenlm": KenLMPrinter, "srilm": SRILMPrinter, "tsv": TSVPrinter, "jsonl": JSONLPrinter}
    if format == "table":
        if level != "summary":
            raise UsageError(f"--format table shows summaries; for --level {level} use kenlm, srilm, tsv or jsonl")
        return TablePrinter(level, model)
    return printers[format](level, model)


class Printer:
    """Prints scores as they come: every sentence (and its words), then every text, then all of them.

    Args:
        level: summary, sentence or word.
        model: whose scores they are.
    """

    def __init__(self, level: str, model: Model) -> None:
        self._shows_words = level == "word"
        self._shows_sentences = level != "summary"
        self._model = model

    def sentence(self, name: str, score: SentenceScore) -> None:
        """One sentence of a text has been scored."""

    def text(self, name: str, figures: Figures) -> None:
        """A text has been scored."""

    def end(self, results: Sequence[tuple[str, Figures]]) -> None:
        """All texts have been scored."""


class KenLMPrinter(Printer):
    """As KenLM's `query`: log10 probabilities; word=id, length of the context and the word, log10 p."""

    def sentence(self, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        if self._shows_words:
            words = (*score.words, SENTENCE_END)
            logs = (score.log_probs / LN_10).tolist()
            # An n-gram model states how long an n-gram it found; a network has read the whole sentence.
            click.echo(
                "".join(
                    f"{word}={token_id} {length} {log10:.6g}\t"
                    for length, (word, token_id, log10) in enumerate(
                        zip(words, score.token_ids, logs, strict=True), start=2
                    )
                ),
                nl=False,
            )
        if self._shows_sentences:
            click.echo(f"Total: {score.total_log_prob / LN_10:.6g} OOV: {score.oov}")

    def text(self, name: str, figures: Figures) -> None:  # noqa: ARG002
        click.echo(f"Perplexity including OOVs:\t{figures.perplexity:.10g}")
        click.echo(f"Perplexity excluding OOVs:\t{figures.perplexity_excluding_oov:.10g}")
        click.echo(f"OOVs:\t{figures.oov}")
        click.echo(f"Tokens:\t{figures.tokens}")


class SRILMPrinter(Printer):
    """As SRILM's `ngram -ppl` with -debug 0, 1 and 2: log10 probabilities, OOVs left out."""

    def sentence(self, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        if not self._shows_sentences:
            return
        click.echo(" ".join(score.words))
        if self._shows_words:
            self._words(score)
        known = float(score.log_probs[np.array(score.token_ids) != UNKNOWN_ID].sum()) / LN_10
        self._counts("1", len(score.words), score.oov, known)
        click.echo()

    def text(self, name: str, figures: Figures) -> None:
        known = figures.tokens - figures.oov
        self._counts(
            f"file {name}: {figures.sentences}",
            figures.words,
            figures.oov,
            -known * math.log10(figures.perplexity_excluding_oov),
            sentences=figures.sentences,
        )

    def _words(self, score: SentenceScore) -> None:
        words = [
            UNKNOWN if token_id == UNKNOWN_ID else word
            for word, token_id in zip((*score.words, SENTENCE_END), score.token_ids, strict=True)
        ]
        for place, (word, token_id, nats) in enumerate(
            zip(words, score.token_ids, score.log_probs.tolist(), strict=True)
        ):
            context = f"{words[place - 1]} ..." if place else "<s> "
            if token_id == UNKNOWN_ID:
                found = "[OOV] 0 [ -inf ]"
            else:
                found = f"[{place + 2}gram] {math.exp(nats):.6g} [ {nats / LN_10:.6g} ]"
            click.echo(f"\tp( {word} | {context}) \t= {found}")

    @staticmethod
    def _counts(sentences_text: str, words: int, oov: int, log10: float, sentences: int = 1) -> None:
        known_words = words - oov
        ppl = 10 ** (-log10 / (known_words + sentences))
        ppl1 = f"{10 ** (-log10 / known_words):.6g}" if known_words else "undefined"
        click.echo(f"{sentences_text} sentences, {words} words, {oov} OOVs")
        click.echo(f"0 zeroprobs, logprob= {log10:.6g} ppl= {ppl:.6g} ppl1= {ppl1}")


class TSVPrinter(Printer):
    """Tab-separated with a header line; logprob10 is log10; nothing is rounded below 1e-6."""

    def __init__(self, level: str, model: Model) -> None:
        super().__init__(level, model)
        self._number = 0
        self._name = ""
        if self._shows_words:
            click.echo("file\tsentence\tposition\tword\toov\tlogprob10\trank")
        elif self._shows_sentences:
            click.echo("file\tsentence\twords\toov\tlogprob10\tperplexity")

    def sentence(self, name: str, score: SentenceScore) -> None:
        self._number = self._number + 1 if name == self._name else 1
        self._name = name
        if self._shows_words:
            ranks = [""] * len(score.token_ids) if score.ranks is None else list(map(str, score.ranks.tolist()))
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                is_oov = int(token_id == UNKNOWN_ID)
                click.echo(f"{name}\t{self._number}\t{position}\t{word}\t{is_oov}\t{nats / LN_10:.6f}\t{rank}")
        elif self._shows_sentences:
            tokens = len(score.token_ids)
            click.echo(
                f"{name}\t{self._number}\t{len(score.words)}\t{score.oov}\t{score.total_log_prob / LN_10:.6f}\t"
                f"{math.exp(-score.total_log_prob / tokens):.6f}"
            )

    def end(self, results: Sequence[tuple[str, Figures]]) -> None:
        if self._shows_sentences:
            return
        rows = [{"file": name} | _flat(figures) for name, figures in results]
        click.echo("\t".join(rows[0]))
        for row in rows:
            click.echo("\t".join(_cell(value) for value in row.values()))


class JSONLPrinter(Printer):
    """One JSON object a line, told apart by `level`; logprob is the natural log."""

    def __init__(self, level: str, model: Model) -> None:
        super().__init__(level, model)
        self._number = 0
        self._name = ""

    def sentence(self, name: str, score: SentenceScore) -> None:
        self._number = self._number + 1 if name == self._name else 1
        self._name = name
        place = {"file": name, "sentence": self._number}
        if self._shows_words:
            ranks = [None] * len(score.token_ids) if score.ranks is None else score.ranks.tolist()
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                echo_json(
                    {"level": "word", **place, "position": position, "word": word}
                    | {"oov": token_id == UNKNOWN_ID, "logprob": nats, "rank": rank}
                )
        if self._shows_sentences:
            echo_json(
                {"level": "sentence", **place, "words": len(score.words), "oov": score.oov}
                | {"characters": score.characters, "logprob": score.total_log_prob}
            )

    def text(self, name: str, figures: Figures) -> None:
        echo_json({"level": "summary", "file": name, **msgspec.to_builtins(figures)})


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
                Text(name),
                f"{figures.tokens:,}",
                f"{100 * figures.oov_rate:.2f} %",
                f"{figures.perplexity:.2f}",
                f"{figures.perplexity_excluding_oov:.2f}",
                f"{figures.cross_entropy_nats:.4f}",
                "" if figures.bits_per_character is None else f"{figures.bits_per_character:.4f}",
            )
            if figures.accuracy and figures.mean_reciprocal_rank is not None:
                shares = [f"{100 * share:.2f} %" for share in figures.accuracy.values()]
                ranks_table.add_row(Text(name), *shares, f"{figures.mean_reciprocal_rank:.4f}")
        console.print(figures_table)
        if first.accuracy:
            console.print()
            console.print(ranks_table)
        console.print(
            f"vocabulary {first.vocabulary_size:,}; state {first.state}; perplexity includes OOVs as <unk>"
        )


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
    return f"{value:.6f}" if isinstance(value, float) else str(value)
