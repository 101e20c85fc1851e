"""The formats of `lmctl eval` except `table`: a class for each."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec
import numpy as np

from lmctl.cli import tsv
from lmctl.cli.output import encode_json
from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN, UNKNOWN_ID
from lmctl.log10 import LN_10, LOG10_ZERO
from lmctl.query.metrics import sentence_figures, surprisal_bits
from lmctl.query.toolkits import DIGITS, SRILM_DIGITS, KenLMTally, log10_probs, ngram_lengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.query.metrics import Figures
    from lmctl.query.sentence_scores import SentenceScore

# The score of a sentence, and the figures of a text: of a model of the next word, or of one that fills gaps.
Score = TypeVar("Score")
FiguresT = TypeVar("FiguresT", bound=msgspec.Struct)


class Scored(NamedTuple, Generic[FiguresT]):
    """The figures of a text under a model.

    Attributes:
        model: the name of the model, as it was given.
        file: the name of the text, as it was given.
        figures: of the whole text.
    """

    model: str
    file: str
    figures: FiguresT


def chosen_format(format: str | None) -> str:
    """The value of --format; if it is not given, table on a terminal, else tsv."""
    return format or ("table" if sys.stdout.isatty() else "tsv")


def make_printer(format: str | None, level: str, *, header: bool = True) -> Printer[SentenceScore, Figures]:
    """Make the printer of a format; None: see `chosen_format`."""
    format = chosen_format(format)
    if format == "tsv":
        return TSVPrinter(level, header=header)
    if format == "table":
        from lmctl.cli.score_tables import TablePrinter

        return TablePrinter(level)
    return {"kenlm": KenLMPrinter, "srilm": SRILMPrinter, "jsonl": JSONLPrinter}[format](level)


class Printer(Generic[Score, FiguresT]):
    """Prints scores as they are computed; its methods are called for each sentence, for each text, and at the end.

    Args:
        level: summary, sentence or word.
    """

    def __init__(self, level: str) -> None:
        self._shows_words = level == "word"
        self._shows_sentences = level != "summary"
        # Number of the last sentence of the text that was printed.
        self._number = 0

    @property
    def reads_sentences(self) -> bool:
        """Whether `sentence` has to be called. A text is scored faster if no sentence is looked at."""
        return self._shows_sentences

    def sentence(self, model: str, name: str, score: Score) -> None:
        """Print a sentence that has been scored."""

    def text(self, scored: Scored[FiguresT]) -> None:  # noqa: ARG002
        """Print the figures of a text, all of whose sentences have been printed."""
        self._number = 0

    def end(self, results: Sequence[Scored[FiguresT]]) -> None:
        """Print what follows the last text."""


class KenLMPrinter(Printer["SentenceScore", "Figures"]):
    """Prints like `query` of KenLM: word=id, length of the n-gram, log10 p; an output line for each line."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._tally = KenLMTally()

    @property
    def reads_sentences(self) -> bool:
        """The tally adds up every sentence, as float32."""
        return True

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        log10s = log10_probs(score, zero=LOG10_ZERO)
        total = self._tally.add(log10s, score)
        if self._shows_words:
            echo_line(
                "".join(
                    f"{word}={token_id} {length} {_kenlm_digits(log10, score)}\t"
                    for word, token_id, length, log10 in zip(
                        (*score.words, SENTENCE_END), score.token_ids, ngram_lengths(score), log10s, strict=True
                    )
                ),
                nl=False,
            )
        if self._shows_sentences:
            echo_line(f"Total: {_kenlm_digits(total, score)} OOV: {score.oov}")

    def text(self, scored: Scored[Figures]) -> None:
        figures = scored.figures
        echo_line(f"Perplexity including OOVs:\t{self._tally.perplexity():.10g}")
        echo_line(f"Perplexity excluding OOVs:\t{self._tally.perplexity_excluding_oov():.10g}")
        echo_line(f"OOVs:\t{figures.oov}")
        echo_line(f"Tokens:\t{figures.tokens}")
        self._tally = KenLMTally()


class SRILMPrinter(Printer["SentenceScore", "Figures"]):
    """Prints like `ngram -ppl` of SRILM with -debug 0, 1 and 2: log10 probabilities without OOVs and zeroprobs."""

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:  # noqa: ARG002
        if not self._shows_sentences:
            return
        echo_line(" ".join(score.words))
        if self._shows_words:
            self._words(score)
        self._counts("1", sentence_figures(score))
        echo_line("")

    def text(self, scored: Scored[Figures]) -> None:
        self._counts(f"file {tsv.field(scored.file)}: {scored.figures.sentences}", scored.figures)

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
            echo_line(f"\tp( {word} | {context}) \t= {found}")

    @staticmethod
    def _counts(sentences: str, figures: Figures) -> None:
        ppl, ppl1 = (
            "undefined" if math.isinf(figure) else f"{figure:.{SRILM_DIGITS}g}"
            for figure in (figures.srilm_ppl, figures.ppl1)
        )
        echo_line(f"{sentences} sentences, {figures.words} words, {figures.oov} OOVs")
        echo_line(
            f"{figures.zeroprobs} zeroprobs, logprob= {figures.srilm_logprob10:.{SRILM_DIGITS}g} "
            f"ppl= {ppl} ppl1= {ppl1}"
        )


class TSVPrinter(Printer["SentenceScore", "Figures"]):
    """Prints tab-separated rows, with six decimals; logprob10 is log10.

    Args:
        level: summary, sentence or word.
        header: whether the first line has the names of the columns.
    """

    def __init__(self, level: str, *, header: bool) -> None:
        super().__init__(level)
        self._header = header
        if header and self._shows_words:
            echo_line("file\tsentence\tline\tposition\tword\toov\tlogprob10\tsurprisal_bits\trank\tmodel")
        elif header and self._shows_sentences:
            echo_line("file\tsentence\tline\twords\toov\tlogprob10\tperplexity\tmodel")

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:
        self._number += 1
        place, of_model = tsv.row((name, self._number, score.line)), tsv.field(model)
        if self._shows_words:
            ranks = [None] * len(score.token_ids) if score.ranks is None else score.ranks.tolist()
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                scored = (position, word, int(token_id == UNKNOWN_ID), nats / LN_10, surprisal_bits(nats), rank)
                echo_line(f"{place}\t{tsv.row(scored)}\t{of_model}")
        elif self._shows_sentences:
            figures = sentence_figures(score)
            counted = tsv.row((len(score.words), score.oov, figures.logprob10, figures.perplexity))
            echo_line(f"{place}\t{counted}\t{of_model}")

    def end(self, results: Sequence[Scored[Figures]]) -> None:
        if not self._shows_sentences:
            print_rows(results, header=self._header)


class JSONLPrinter(Printer["SentenceScore", "Figures"]):
    """Prints a JSON object on each line; `level` says what it describes, and logprob is the natural log."""

    def sentence(self, model: str, name: str, score: SentenceScore) -> None:
        self._number += 1
        place = {"file": name, "model": model, "sentence": self._number, "line": score.line}
        if self._shows_words:
            ranks = [None] * len(score.token_ids) if score.ranks is None else score.ranks.tolist()
            for position, (word, token_id, nats, rank) in enumerate(
                zip((*score.words, SENTENCE_END), score.token_ids, score.log_probs.tolist(), ranks, strict=True),
                start=1,
            ):
                echo_object(
                    {"level": "word", **place, "position": position, "word": word}
                    | {
                        "oov": token_id == UNKNOWN_ID,
                        "logprob": nats,
                        "surprisal_bits": surprisal_bits(nats),
                        "rank": rank,
                    }
                )
        if self._shows_sentences:
            echo_object(
                {"level": "sentence", **place, "words": len(score.words), "oov": score.oov}
                | {"characters": score.characters, "logprob": score.total_log_prob}
            )

    def text(self, scored: Scored[Figures]) -> None:
        super().text(scored)
        print_object(scored)


def _kenlm_digits(log10: np.floating[Any], score: SentenceScore) -> str:
    """Return the fewest digits that give a float32 back, as KenLM prints; for a network, `DIGITS` digits."""
    if score.ngram_lengths is None:
        return f"{log10:.{DIGITS}g}"
    return np.format_float_positional(log10, unique=True, trim="-")


def print_rows(results: Sequence[Scored[Any]], *, header: bool) -> None:
    """Print the figures of texts as rows of tsv: numbers with six decimals, nothing for None."""
    rows = [{"file": name} | _flat_row(figures) | {"model": model} for model, name, figures in results]
    if header:
        echo_line(tsv.row(rows[0]))
    for row in rows:
        echo_line(tsv.row(row.values()))


def print_object(scored: Scored[Any]) -> None:
    """Print the figures of a text as a JSON object."""
    model, name, figures = scored
    echo_object({"level": "summary", "file": name, "model": model, **msgspec.to_builtins(figures)})


def _flat_row(figures: msgspec.Struct) -> dict[str, Any]:
    """Return figures as one row, with a column for the accuracy at each k, and for the ends of an interval."""
    row: dict[str, Any] = msgspec.to_builtins(figures)
    accuracy = row.pop("accuracy") or {}
    row |= {f"accuracy@{k}": share for k, share in accuracy.items()}
    interval = row.pop("interval", None)
    if interval is not None:
        row |= {f"perplexity_{end}": interval[end] for end in ("low", "high")}
        row["confidence"] = interval["confidence"]
    return row


def echo_line(text: str, *, nl: bool = True) -> None:
    """Print without flushing, because there may be a line for each word of a corpus."""
    sys.stdout.write(f"{text}\n" if nl else text)


def echo_object(value: dict[str, Any]) -> None:
    """Print a JSON object on a line."""
    echo_line(encode_json(value).decode())
