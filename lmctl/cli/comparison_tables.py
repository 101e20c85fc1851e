"""The format `table` of `lmctl compare`, for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.cli import tables
from lmctl.cli.comparisons import Printer
from lmctl.cli.output import terminal_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmctl.query.bootstrap import Interval
    from lmctl.query.compared import Comparison, Difference, ModelFigures, TokenDifference

# Of groups; models are named by their numbers.
TITLES = {
    "frequency": "bits per token, by count in the training text of 1",
    "position": "bits per token, by position in the sentence",
    "frequency_length": "bits per token, by count in the training text of 1 x characters",
    "ngram_length": "bits per token, by length of the longest n-gram of the training text that ends in it",
}
MEASURES = {"perplexity": "perplexity", "bits_per_character": "bits per character"}
# 30 cells and more; the rest of a line shows the text.
_ROW = "{:>6}  {:>6}  {:>6}  {:>8}"


class TablePrinter(Printer):
    """Prints tables: the models, their differences in words, the groups, and the tokens."""

    most_tokens = 10

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._console = terminal_console()

    def print(self, comparison: Comparison) -> None:
        """Print the tables of a text."""
        self._text(tables.field(comparison.file), bold=True)
        self._models(comparison)
        self._console.print()
        for number, difference in enumerate(comparison.differences, start=2):
            self._text(_in_words(number, difference, comparison))
        for note in filter(None, (comparison.reason, *comparison.notes)):
            self._text(tables.field(note))
        if self._shows_groups:
            self._groups(comparison)
        if comparison.tokens:
            self._tokens(comparison)
        self._console.print()

    def _models(self, comparison: Comparison) -> None:
        first = comparison.models[0]
        columns = [tables.Column(MEASURES[comparison.measure].replace(" per ", " per\n"))]
        columns.append(tables.Column(f"{first.interval.confidence:g} %\ninterval"))
        if comparison.measure == "perplexity":
            columns += [tables.Column("without\nOOVs"), tables.Column("bits per\ncharacter")]
        columns += [tables.Column(f"accuracy\n@{k}") for k in first.figures.accuracy or {}]
        columns += [
            tables.Column("tokens\nper s", optional=True),
            tables.Column("MB", optional=True),
            tables.Column("parameters", optional=True),
        ]
        rows = [
            (f"{number} {each.model}", list(_figures(each, comparison.measure)))
            for number, each in enumerate(comparison.models, start=1)
        ]
        tables.show(self._console, "model", columns, rows)

    def _groups(self, comparison: Comparison) -> None:
        columns = [tables.Column("tokens"), tables.Column("1")]
        for number, _ in enumerate(comparison.differences, start=2):
            columns += [
                tables.Column(str(number)),
                tables.Column(f"{number} less 1"),
                tables.Column("interval", optional=True),
                tables.Column("share", optional=True),
            ]
        for by in dict.fromkeys(group.by for group in comparison.groups):
            rows: dict[str, list[str]] = {}
            for group in comparison.groups:
                if group.by == by:
                    cells = rows.setdefault(group.group, [f"{group.tokens:,}"])
                    cells.append(f"{group.bits_per_token:z.3f}")
                    if group.model != comparison.models[0].model:
                        difference, share = group.difference_bits, group.share
                        cells.append("" if difference is None else f"{difference:+z.3f}")
                        cells.append(_both_ends(group.interval))
                        cells.append("" if share is None else f"{100 * share:z.1f} %")
            self._console.print()
            self._text(TITLES[by], bold=True)
            tables.show(self._console, "group", columns, list(rows.items()))

    def _tokens(self, comparison: Comparison) -> None:
        for number, difference in enumerate(comparison.differences, start=2):
            self._console.print()
            self._text(f"tokens whose bits differ most between 1 and {number}", bold=True)
            self._row(_ROW.format("line", "1", str(number), f"{number} less 1"), bold=True)
            for token in (token for token in comparison.tokens if token.model == difference.model):
                bits = f"{token.baseline_bits:z.2f}", f"{token.bits:z.2f}", f"{token.difference_bits:+z.2f}"
                row = _ROW.format(token.line, *bits)
                room = max(self._console.width - len(row) - len(tables.GAP), tables.LEAST_NAME)
                self._row(f"{row}{tables.GAP}{_in_context(token, room)}")

    def _text(self, text: str, *, bold: bool = False) -> None:
        for line in tables.wrap(text, self._console.width):
            self._row(line, bold=bold)

    def _row(self, line: str, *, bold: bool = False) -> None:
        self._console.print(line, style="bold" if bold else None, markup=False, no_wrap=True, crop=False)


def _figures(each: ModelFigures, measure: str) -> Iterator[str]:
    figures, interval = each.figures, each.interval
    bits = "" if figures.bits_per_character is None else f"{figures.bits_per_character:z.4f}"
    if measure == "perplexity":
        yield f"{figures.perplexity:.2f}"
        yield f"{interval.low:.2f}–{interval.high:.2f}"
        yield f"{figures.perplexity_excluding_oov:.2f}"
        yield bits
    else:
        yield bits
        yield f"{interval.low:z.4f}–{interval.high:z.4f}"
    yield from (f"{100 * share:.2f} %" for share in (figures.accuracy or {}).values())
    yield f"{each.tokens_per_second:,.0f}"
    yield f"{each.bytes / 1e6:,.1f}"
    yield f"{each.parameters:,}"


def _in_words(number: int, difference: Difference, comparison: Comparison) -> str:
    """The difference of model `number` from the first one, in a sentence."""
    measure, interval = MEASURES[comparison.measure], difference.interval
    if difference.difference is None or interval is None or difference.p is None:
        return f"{number} less 1: none, as both have a word of probability 0"
    digits = 2 if comparison.measure == "perplexity" else 4
    unit = f"{comparison.unit}s" if isinstance(comparison.unit, str) else f"blocks of {comparison.unit} lines"
    # Of one comparison, there is nothing to correct.
    holm = f", {difference.p_holm:.4f} by Holm's method" if len(comparison.differences) > 1 else ""
    return (
        f"{number} less 1: {measure} {difference.difference:+z.{digits}f}, {interval.confidence:g} % interval "
        f"{interval.low:+z.{digits}f} to {interval.high:+z.{digits}f}, p = {difference.p:.4f}{holm} "
        f"({interval.samples:,} resamples of {interval.units:,} {unit}, seed {interval.seed})"
    )


def _both_ends(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.low:+z.3f} to {interval.high:+z.3f}"


def _in_context(token: TokenDifference, room: int) -> str:
    """A token in brackets, and as much of the text around it as fits into a number of cells."""
    shown = f"[{tables.shorten(tables.field(token.word), room - 2)}]"
    left, right = tables.field(token.before), tables.field(token.after)
    while tables.cell_length(left + shown + right) > room:
        if left and len(left) >= 2 * len(right):
            left = left[1:]
        else:
            right = right[:-1]
    return f"{left}{shown}{right}"
