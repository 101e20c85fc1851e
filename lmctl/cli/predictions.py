"""Printing answers of `lmctl predict`, in each of its formats."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lmctl.cli import tables, tsv
from lmctl.cli.output import encode_json, terminal_console

if TYPE_CHECKING:
    from lmctl.query.prediction import Answer

# The columns of tsv; logprob is the natural log.
FIELDS = ("line", "rank", "word", "logprob")
LONGEST_BAR = 24


class PredictionPrinter:
    """Prints batches of answers, and flushes after each batch, because a reader may be waiting.

    Args:
        format: table, plain, words, tsv or jsonl; None: table on a terminal, else plain.
        header: whether the first line of tsv has the names of the columns.
    """

    def __init__(self, format: str | None, *, header: bool = True) -> None:
        self._format = format or ("table" if sys.stdout.isatty() else "plain")
        self._header = header and self._format == "tsv"
        self._line = 0

    def print(self, answers: list[Answer]) -> None:
        """Print a batch of answers."""
        if self._format == "table":
            self._print_tables(answers)
            return
        records = [f"{tsv.row(FIELDS)}\n"] if self._header else []
        self._header = False
        for answer in answers:
            self._line += 1
            records.append(self._record(answer))
        # One write for the batch wakes the reader of a pipe only once.
        sys.stdout.write("".join(records))
        sys.stdout.flush()

    def _record(self, answer: Answer) -> str:
        if self._format == "jsonl":
            return encode_json({"line": self._line, **asdict(answer)}).decode() + "\n"
        if self._format == "tsv":
            return "".join(
                f"{self._line}\t{rank}\t{tsv.field(found.word)}\t{found.logprob:.6f}\n"
                for rank, found in enumerate(answer.predictions, start=1)
            )
        if self._format == "words":
            return " ".join(found.word for found in answer.predictions) + "\n"
        return " ".join(f"{found.word} {found.prob:.6g}" for found in answer.predictions) + "\n"

    def _print_tables(self, answers: list[Answer]) -> None:
        console = terminal_console()
        for answer in answers:
            self._line += 1
            for line in tables.wrap(tables.field(answer.context) or "(start of a sentence)", console.width):
                console.print(line, style="italic", markup=False)
            # The bar takes the room that a word of usual length and its probability leave.
            longest = max(0, min(LONGEST_BAR, console.width - tables.LEAST_NAME - 16))
            columns = [tables.Column("probability"), tables.Column("", right=False, optional=True)]
            rows = [
                (found.word, (f"{found.prob:.4f}", "━" * round(longest * found.prob)))
                for found in answer.predictions
            ]
            tables.show(console, "word", columns, rows)
            if answer.oov:
                for line in tables.wrap(f"not in the vocabulary: {' '.join(answer.oov)}", console.width):
                    console.print(line, style="dim", markup=False)
            console.print()
