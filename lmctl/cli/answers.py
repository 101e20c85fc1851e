"""Printing ranked words, the answers to queries, in each of the formats of `lmctl.cli.queries`."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lmctl.cli import tables, tsv
from lmctl.cli.output import encode_json, terminal_console

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_BAR = 24
# Stands for the candidates that a limit left out, with their probability, at the end of a line.
UNSEEN = "<unseen>"

Answer = TypeVar("Answer")


class AnswerPrinter(ABC, Generic[Answer]):
    """Prints batches of answers, and flushes after each batch, because a reader may be waiting.

    An answer is a dataclass, whose fields are those of jsonl after `line`.

    Args:
        format: table, plain, words, tsv or jsonl; None: table on a terminal, else plain.
        header: whether the first line of tsv has the names of the columns.

    Attributes:
        columns: the columns of tsv after `line` and `rank`.
        figure: the heading of the figures in a table.
    """

    columns: ClassVar[Sequence[str]]
    figure: ClassVar[str]

    def __init__(self, format: str | None, *, header: bool = True) -> None:
        self._format = format or ("table" if sys.stdout.isatty() else "plain")
        self._header = header and self._format == "tsv"
        self._line = 0

    @abstractmethod
    def title(self, answer: Answer) -> str:
        """Return the query, for a table."""

    @abstractmethod
    def words(self, answer: Answer) -> list[tuple[str, float]]:
        """Return the words, each with its figure, best first."""

    @abstractmethod
    def rows(self, answer: Answer) -> list[Sequence[object]]:
        """Return the cells of `columns` for each word."""

    def last_word(self, answer: Answer) -> list[tuple[str, float]]:  # noqa: ARG002
        """Return what plain and words print after the words; as a rule, nothing."""
        return []

    def notes(self, answer: Answer) -> list[str]:
        """Return the lines below a table."""
        oov: list[str] = getattr(answer, "oov", [])
        return [f"not in the vocabulary: {' '.join(oov)}"] if oov else []

    def print(self, answers: Sequence[Answer]) -> None:
        """Print a batch of answers."""
        if self._format == "table":
            self._print_tables(answers)
            return
        records = [self._heading()]
        for answer in answers:
            self._line += 1
            records.append(self._record(answer))
        # One write for the batch wakes the reader of a pipe only once.
        sys.stdout.write("".join(records))
        sys.stdout.flush()

    def end(self) -> None:
        """Print what stands even if there was no query: the names of the columns."""
        sys.stdout.write(self._heading())

    def _heading(self) -> str:
        """Return the first line of tsv, once."""
        has_heading, self._header = self._header, False
        return f"{tsv.row(('line', 'rank', *self.columns))}\n" if has_heading else ""

    def _record(self, answer: Any) -> str:
        if self._format == "jsonl":
            return encode_json({"line": self._line, **asdict(answer)}).decode() + "\n"
        if self._format == "tsv":
            return "".join(
                f"{tsv.row((self._line, rank, *cells))}\n" for rank, cells in enumerate(self.rows(answer), start=1)
            )
        words = [*self.words(answer), *self.last_word(answer)]
        if self._format == "words":
            return " ".join(word for word, _ in words) + "\n"
        return " ".join(f"{word} {figure:z.6g}" for word, figure in words) + "\n"

    def _print_tables(self, answers: Sequence[Answer]) -> None:
        console = terminal_console()
        for answer in answers:
            self._line += 1
            for line in tables.wrap(tables.field(self.title(answer)), console.width):
                console.print(line, style="italic", markup=False)
            # The bar takes the room that a word of usual length and its figure leave.
            longest = max(0, min(LONGEST_BAR, console.width - tables.LEAST_NAME - 16))
            columns = [tables.Column(self.figure), tables.Column("", right=False, optional=True)]
            rows = [
                (word, (f"{figure:z.4f}", "━" * round(longest * max(0.0, figure))))
                for word, figure in self.words(answer)
            ]
            tables.show(console, "word", columns, rows)
            for note in self.notes(answer):
                for line in tables.wrap(note, console.width):
                    console.print(line, style="dim", markup=False)
            console.print()
