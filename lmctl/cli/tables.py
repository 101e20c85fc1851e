"""Tables for people: figures are never broken, names are shortened in their middle, all fits the screen.

A table is drawn in the first of these forms that fits: names beside their figures; the same without the columns
that may be left out; each name on a line above its figures; a line for each figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lmctl.cli import tsv
from lmctl.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

GAP = "  "
# A name that is shortened to less than this says nothing any more.
LEAST_NAME = 16


class Column(NamedTuple):
    """A column of figures.

    Attributes:
        heading: one line, or two with a line feed between them.
        right: whether cells stand on its right side.
        optional: whether it may be left out on a narrow screen; the last ones go first.
    """

    heading: str
    right: bool = True
    optional: bool = False


def show(
    console: Console, name: str, columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    """Print a table.

    Args:
        console: where to.
        name: the heading of the names.
        columns: those of the figures.
        rows: a name and a cell for each column.
    """
    for line, is_heading in layout(name, columns, rows, console.width):
        console.print(line, style="bold" if is_heading else None, markup=False, no_wrap=True, crop=False)


def layout(
    name: str, columns: Sequence[Column], rows: Sequence[tuple[str, Sequence[str]]], width: int
) -> list[tuple[str, bool]]:
    """The lines of a table on a screen of so many cells, each with whether it is a heading."""
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
    """A cell that stays in its place: no line end, no TAB, nothing that a terminal obeys."""
    return visible(tsv.field(value))


def shorten(text: str, width: int) -> str:
    """A text in at most so many cells, with … in place of its middle: both ends of a path tell it from others."""
    if len(text) <= 4 * width and cell_length(text) <= width:
        return text
    # Of a text without end, only the ends are looked at.
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
    """A text in lines of at most so many cells; a word that is wider than a line is shortened."""
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
    """How many cells of a terminal a text takes: two for a Chinese character."""
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """A text with blanks on its right side, or on its left, up to a width in cells."""
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
    """The headings, bottom lines level."""
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
