"""The formats of `lmctl predict`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lmctl.cli import tsv
from lmctl.cli.output import encode_json, terminal_console
from lmctl.cli.terminal import visible

if TYPE_CHECKING:
    from lmctl.query.prediction import Answer


class PredictionPrinter:
    """Prints answers as they come, each batch flushed, so that a waiting reader has them.

    Args:
        format: table, plain, words, tsv or jsonl; None: a table on a terminal, otherwise plain.
    """

    def __init__(self, format: str | None) -> None:
        self._format = format or ("table" if sys.stdout.isatty() else "plain")
        self._line = 0

    def print(self, answers: list[Answer]) -> None:
        """Print a batch."""
        if self._format == "table":
            self._print_tables(answers)
            return
        records = []
        for answer in answers:
            self._line += 1
            records.append(self._record(answer))
        # One write for all that is known, so that a pipe is woken up once.
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
        from rich.table import Table
        from rich.text import Text

        console = terminal_console()
        for answer in answers:
            self._line += 1
            table = Table(
                title=Text(visible(answer.context) or "(start of a sentence)"),
                title_justify="left",
                box=None,
                pad_edge=False,
            )
            table.add_column("word", min_width=12)
            table.add_column("probability", justify="right")
            table.add_column("")
            for found in answer.predictions:
                table.add_row(Text(visible(found.word)), f"{found.prob:.4f}", "━" * round(24 * found.prob))
            console.print(table)
            if answer.oov:
                console.print(Text(visible(f"not in the vocabulary: {' '.join(answer.oov)}"), style="dim"))
            console.print()
