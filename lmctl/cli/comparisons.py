"""The formats of `lmctl compare` except `table`."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec

from lmctl.cli import tsv
from lmctl.cli.scores import chosen_format, echo_line, echo_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.query.compared import Comparison, Group

# Columns of the level `summary`; those of accuracies follow `bits_per_character`.
SUMMARY = (
    *("file", "measure", "tokens", "oov_rate", "characters", "perplexity", "perplexity_excluding_oov"),
    *("bits_per_character", "accuracy", "low", "high", "difference", "difference_low", "difference_high", "p"),
    "p_holm",
    *("confidence", "samples", "seed", "unit", "units", "tokens_per_second", "bytes", "parameters"),
    *("vocabulary_size", "dynamic_rate", "model"),
)
GROUP = (
    *("file", "by", "group", "tokens", "bits", "bits_per_token", "difference_bits", "difference_low"),
    *("difference_high", "units", "share", "model"),
)
TOKEN = (
    *("file", "line", "position", "before", "word", "after", "bits", "baseline_bits", "difference_bits"),
    "model",
)


class Printer(ABC):
    """Prints comparisons, one for each text.

    Args:
        level: summary, group or word.

    Attributes:
        most_tokens: the number of tokens for each model if the user gives none; 0: none are printed.
    """

    most_tokens = 100

    def __init__(self, level: str) -> None:
        self._shows_groups = level in ("group", "word")
        self._shows_words = level == "word"
        if not self._shows_words:
            self.most_tokens = 0

    @property
    def shows_groups(self) -> bool:
        """Whether groups are printed."""
        return self._shows_groups

    @property
    def shows_words(self) -> bool:
        """Whether the tokens that differ most are printed."""
        return self._shows_words

    @abstractmethod
    def print(self, comparison: Comparison) -> None:
        """Print a comparison."""


def make_printer(format: str | None, level: str | None, *, header: bool) -> Printer:
    """Make the printer of a format: table, tsv or jsonl; None: see `chosen_format`."""
    format = chosen_format(format)
    if format == "tsv":
        return TSVPrinter(level or "summary", header=header)
    if format == "table":
        from lmctl.cli.comparison_tables import TablePrinter

        return TablePrinter(level or "word")
    return JSONLPrinter(level or "word")


class TSVPrinter(Printer):
    """Prints tab-separated rows of one level, with six decimals.

    Args:
        level: summary, group or word.
        header: whether the first line has the names of the columns.
    """

    def __init__(self, level: str, *, header: bool) -> None:
        super().__init__(level)
        self._header = header

    def print(self, comparison: Comparison) -> None:
        """Print the rows of a text."""
        columns: tuple[str, ...]
        if self._shows_words:
            columns, rows = TOKEN, map(msgspec.to_builtins, comparison.tokens)
        elif self._shows_groups:
            columns, rows = GROUP, map(group_row, comparison.groups)
        else:
            columns, rows = _with_accuracies(comparison), map(_flat, summaries(comparison))
        if self._header:
            echo_line("\t".join(columns))
        self._header = False
        for row in rows:
            values = {"file": comparison.file, **row}
            echo_line(tsv.row(values[column] for column in columns))
        sys.stdout.flush()


class JSONLPrinter(Printer):
    """Prints a JSON object on each line; `level` says what it describes."""

    def print(self, comparison: Comparison) -> None:
        """Print the objects of a text."""
        for summary in summaries(comparison):
            echo_object({"level": "summary", **summary})
        for group in comparison.groups if self._shows_groups else ():
            echo_object({"level": "group", "file": comparison.file, **group_row(group)})
        for token in comparison.tokens:
            echo_object({"level": "word", "file": comparison.file, **msgspec.to_builtins(token)})
        sys.stdout.flush()


def summaries(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield the summary of each model: its figures, and its difference from the first model."""
    differences = {each.model: each for each in comparison.differences}
    for each in comparison.models:
        figures, interval, difference = each.figures, each.interval, differences.get(each.model)
        of_difference = None if difference is None else difference.interval
        # A perplexity that does not compare is left out, so that nobody compares it.
        compares = comparison.measure == "perplexity"
        yield {
            "file": comparison.file,
            "model": each.model,
            "baseline": comparison.models[0].model,
            "measure": comparison.measure,
            "reason": comparison.reason,
            "notes": comparison.notes,
            "tokens": figures.tokens,
            "oov_rate": figures.oov_rate,
            "characters": figures.characters,
            "perplexity": figures.perplexity if compares else None,
            "perplexity_excluding_oov": figures.perplexity_excluding_oov if compares else None,
            "bits_per_character": figures.bits_per_character,
            "accuracy": figures.accuracy,
            "low": interval.low,
            "high": interval.high,
            "difference": None if difference is None else difference.difference,
            "difference_low": None if of_difference is None else of_difference.low,
            "difference_high": None if of_difference is None else of_difference.high,
            "p": None if difference is None else difference.p,
            "p_holm": None if difference is None else difference.p_holm,
            "confidence": interval.confidence,
            "samples": interval.samples,
            "seed": interval.seed,
            "unit": comparison.unit,
            "units": interval.units,
            "tokens_per_second": each.tokens_per_second,
            "bytes": each.bytes,
            "parameters": each.parameters,
            "vocabulary_size": figures.vocabulary_size,
            "dynamic_rate": figures.dynamic_rate,
        }


def group_row(group: Group) -> dict[str, Any]:
    """A group by key, with both ends of its interval, and the number of units that have its tokens."""
    row: dict[str, Any] = msgspec.to_builtins(group)
    interval = group.interval
    del row["interval"]
    return row | {
        "difference_low": None if interval is None else interval.low,
        "difference_high": None if interval is None else interval.high,
        "units": None if interval is None else interval.units,
    }


def _with_accuracies(comparison: Comparison) -> tuple[str, ...]:
    place = SUMMARY.index("accuracy")
    accuracies = [f"accuracy@{k}" for k in comparison.models[0].figures.accuracy or {}]
    return (*SUMMARY[:place], *accuracies, *SUMMARY[place + 1 :])


def _flat(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary with a column for the accuracy at each k."""
    return summary | {f"accuracy@{k}": share for k, share in (summary["accuracy"] or {}).items()}
