"""Sentences in a column of TAB-separated lines, with an id in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import DataError, UsageError, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Columns:
    """Takes the id and the sentence of each line out of its columns.

    Columns are separated by single TABs, and nothing is quoted, as in the output of lmctl, `cut` and `paste`. A
    column is a number from 1, or a name; if one of them is a name, the first line is a header, which has no
    sentence.

    Args:
        source: name of the text, for messages.
        id_column: the column of the id; None: the number of the line is the id.
        text_column: the column of the sentence; None: the last one, or without `id_column` the whole line.
    """

    def __init__(self, source: str, id_column: str | None, text_column: str | None) -> None:
        self._source = source
        self._named = [column for column in (id_column, text_column) if column is not None]
        self._id_column = id_column
        self._text_column = text_column
        self._header: list[str] | None = None
        self._expects_header = not all(map(str.isdecimal, self._named))
        self._ids: dict[str, int] = {}
        self._line = 0
        for column in self._named:
            if column.isdecimal() and int(column) < 1:
                raise UsageError(f"column {column}: columns are counted from 1")

    def __call__(self, lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        """Read lines; each call goes on after the lines of the call before.

        Yields:
            The number of the line from 1, the id and the sentence.

        Raises:
            DataError: a line has too few columns, a name is not in the header, or an id occurs twice.
        """
        for line in lines:
            self._line += 1
            if not self._named:
                yield self._line, str(self._line), line
                continue
            cells = line.split("\t")
            if self._expects_header and self._header is None:
                self._header = [cell.strip() for cell in cells]
                for name in self._named:
                    self._place(name)
                continue
            yield self._line, self._id(cells), self._cell(cells, self._text_column or str(len(cells)))

    def _id(self, cells: list[str]) -> str:
        if self._id_column is None:
            return str(self._line)
        found = self._cell(cells, self._id_column).strip()
        first = self._ids.setdefault(found, self._line)
        if first != self._line:
            raise DataError(
                f"{self._source}: line {self._line}: id {quoted(found)} is also that of line {first}; expected a "
                "different id in each line"
            )
        return found

    def _cell(self, cells: list[str], column: str) -> str:
        place = self._place(column)
        if place >= len(cells):
            raise DataError(
                f"{self._source}: line {self._line}: {len(cells)} columns, no column {column}; expected columns "
                "with a TAB between them"
            )
        return cells[place]

    def _place(self, column: str) -> int:
        if column.isdecimal():
            return int(column) - 1
        names = self._header or []
        if column not in names:
            shown = listed([quoted(name, 30) for name in names])
            raise DataError(f"{self._source}: no column {quoted(column)}; the first line names {shown}")
        return names.index(column)
