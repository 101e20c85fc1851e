"""Tables that fit a terminal of any width: figures are shown whole, and names are shortened in the middle.

A table is drawn in the first of these forms that fits the width: names beside their figures; the same without
optional columns; each name on a line above its figures; a line for each figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lmctl.cli import tsv
from lmctl.visible import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

GAP = "  "
# The least number of cells to which a name is shortened.
LEAST_NAME = 16


class Column(NamedTuple):
    """A column of figures.

    Attributes:
        heading: one line, or two lines separated by a line feed.
        right: whether cells are aligned right.
        optional: whether the column may be left out on a narrow screen; the last such column is left out first.
    """

    heading: str
    right: bool = True
    optional: bool = False


def show(
    console: Console, name: str, columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Print a table.

    Args:
        console: the terminal.
        name: the heading of the names.
        columns: the columns of figures.
        rows: a name, and a cell for each column.
    """
    for line, is_heading in layout(name, columns, rows, console.width):
        console.print(line, style="bold" if is_heading else None, markup=False, no_wrap=True, crop=False)


def layout(
    name: str, columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]], width: int
) -> list[tuple[str, bool]]:
    """Return the lines of a table of at most `width` cells, each with whether it is a heading."""
    kept = [place for place, _ in enumerate(columns)]
    cells = [(field(label), tuple(map(field, values))) for label, values in rows]
    longest = max(map(cell_length, [name, *(label for label, _ in cells)]))
    while True:
        part = [columns[place] for place in kept]
        chosen = [(label, tuple(values[place] for place in kept)) for label, values in cells]
        widths = _widths(part, [values for _, values in chosen])
        left = width - sum(widths) - len(GAP) * len(widths)
        if left >= min(longest, LEAST_NAME):
            return _beside(name, part, chosen, widths, min(longest, left))
        optional = [place for place in kept if columns[place].optional]
        if not optional:
            break
        kept.remove(optional[-1])
    if left + len(GAP) >= 0:
        return _above(part, chosen, widths, width)
    return _figure_by_figure(columns, cells, width)


def field(value: str) -> str:
    """Return a value as a cell, with line ends, TABs and control characters escaped."""
    return visible(tsv.field(value))


def shorten(text: str, width: int) -> str:
    """Shorten a text to at most `width` cells by replacing its middle by …; the ends tell paths apart."""
    if len(text) <= 4 * width and cell_length(text) <= width:
        return text
    # Only the ends of a very long text are examined.
    text = text if len(text) <= 4 * width else text[: 2 * width] + text[-2 * width :]
    head, tail = "", ""
    room = width - 1
    start, end = 0, len(text) - 1
    while start <= end:
        from_head = cell_length(head) <= cell_length(tail)
        character = text[start] if from_head else text[end]
        if cell_length(head) + cell_length(tail) + cell_length(character) > room:
            break
        if from_head:
            head, start = head + character, start + 1
        else:
            tail, end = character + tail, end - 1
    return f"{head}…{tail}"


def wrap(text: str, width: int) -> list[str]:
    """Wrap a text into lines of at most `width` cells; a word that is wider than a line is shortened."""
    lines, line = [], ""
    for word in text.split(" "):
        short = shorten(word, width)
        if line and cell_length(line) + 1 + cell_length(short) > width:
            lines.append(line)
            line = short
        else:
            line = f"{line} {short}" if line else short
    return [*lines, line]


def cell_length(text: str) -> int:
    """Return the number of terminal cells of a text; a Chinese character takes two."""
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Pad a text with blanks on its right, or on its left, to a width in cells."""
    blanks = " " * (width - cell_length(text))
    return blanks + text if right else text + blanks


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    headings = [max(map(cell_length, column.heading.split("\n"))) for column in columns]
    return [
        max([heading, *(cell_length(values[place]) for values in rows)]) for place, heading in enumerate(headings)
    ]


def _row(columns: Sequence[Column], values: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(
        pad(value, width, right=column.right) for column, value, width in zip(columns, values, widths, strict=True)
    )


def _headings(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    """Return the lines of the headings, aligned at the bottom."""
    parts = [column.heading.split("\n") for column in columns]
    height = max(map(len, parts), default=1)
    lines = [[""] * (height - len(part)) + part for part in parts]
    return [_row(columns, [line[number] for line in lines], widths) for number in range(height)]


def _beside(
    name: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Sequence[str]]],
    widths: Sequence[int],
    width: int,
) -> list[tuple[str, bool]]:
    *upper, lowest = _headings(columns, widths)
    lines = [(f"{' ' * width}{GAP}{line}".rstrip(), True) for line in upper]
    lines.append((f"{pad(name, width)}{GAP}{lowest}".rstrip(), True))
    for label, values in rows:
        lines.append((f"{pad(shorten(label, width), width)}{GAP}{_row(columns, values, widths)}".rstrip(), False))
    return lines


def _above(
    columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]], widths: Sequence[int], width: int
) -> list[tuple[str, bool]]:
    lines = [(line.rstrip(), True) for line in _headings(columns, widths)]
    before = None
    for label, values in rows:
        if label != before:
            lines.append((shorten(label, width), False))
        before = label
        lines.append((_row(columns, values, widths).rstrip(), False))
    return lines


def _figure_by_figure(
    columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]], width: int
) -> list[tuple[str, bool]]:
    headings = [column.heading.replace("\n", " ") for column in columns]
    longest = max(map(cell_length, headings))
    lines = []
    for label, values in rows:
        lines.append((shorten(label, width), True))
        for heading, value in zip(headings, values, strict=True):
            if value:
                lines.append((shorten(f"{GAP}{pad(heading, longest)}{GAP}{value}", width), False))
    return lines
