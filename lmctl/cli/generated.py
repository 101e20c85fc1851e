"""Printing the texts of `lmctl generate`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lmctl.cli import tsv
from lmctl.cli.output import encode_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmctl.query.generated_text import GeneratedText

GENERATED_FORMATS = ("plain", "tsv", "jsonl")
COLUMNS = ("line", "sample", "logprob", "ended_by", "text")


class GeneratedPrinter:
    """Prints texts, and flushes after each batch, because a reader may be waiting.

    Args:
        format: plain, tsv or jsonl.
        header: whether the first line of tsv has the names of the columns.
        blank_lines: whether plain texts have a blank line between them, because a text may have several lines.
    """

    def __init__(self, format: str, *, header: bool, blank_lines: bool) -> None:
        self._format = format
        self._header = header and format == "tsv"
        self._blank_lines = blank_lines
        self._is_first = True

    def print(self, texts: Iterable[GeneratedText]) -> None:
        """Print a batch of texts."""
        # One write for the batch wakes the reader of a pipe only once.
        sys.stdout.write("".join([self._before() + self._record(text) for text in texts]))
        sys.stdout.flush()

    def stream(self, pieces: Iterable[str]) -> None:
        """Print a plain text in pieces, each as soon as it comes."""
        sys.stdout.write(self._before())
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Print what stands even if there was no prompt: the names of the columns."""
        if self._is_first:
            sys.stdout.write(self._heading())

    def _heading(self) -> str:
        return f"{tsv.row(COLUMNS)}\n" if self._header else ""

    def _before(self) -> str:
        """Return the lines before the next text: the header of tsv, or a blank line between plain texts."""
        is_first, self._is_first = self._is_first, False
        if is_first:
            return self._heading()
        return "\n" if self._blank_lines and self._format == "plain" else ""

    def _record(self, text: GeneratedText) -> str:
        if self._format == "jsonl":
            return encode_json(asdict(text)).decode() + "\n"
        if self._format == "tsv":
            cells = (text.line, text.sample, text.logprob, text.ended_by, text.text)
            return f"{tsv.row(cells)}\n"
        return f"{text.text}\n"
