"""Sentences in a column of a table or in a field of JSON Lines, with an id in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lmctl.errors import DataError, UsageError, listed, quoted
from lmctl.text.formats.json_lines import JsonLines, first_object, parse_path
from lmctl.text.formats.recognition import suffix_of
from lmctl.text.formats.tables import TAB, Rows, column_number, columns_of, separator_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Columns:
    """Takes the id and the sentence out of each row of a table, or out of each record of JSON Lines.

    In a table, columns are separated by single TABs, and nothing is quoted, as in the output of lmctl, `cut` and
    `paste`. It is CSV if its name ends in .csv, or if its first line has no TAB, and the names of the columns only
    as CSV. A column is a number from 1, or a name; if one of them is a name, the first line is a header, which has
    no sentence. A source whose first line is a JSON object is JSON Lines, in which a column is a dotted path.

    Args:
        source: name of the text, for messages.
        id_column: the column of the id; None: the number of the line is the id.
        text_column: the column of the sentence; None: the last one, or without `id_column` the whole line.
        errors: "strict", "replace" or "skip": treatment of half a character in JSON.

    Raises:
        UsageError: a column is 0, has no name, or is no field.
    """

    def __init__(
        self, source: str, id_column: str | None, text_column: str | None, errors: str = "strict"
    ) -> None:
        self._source = source
        self._id_column = id_column
        self._text_column = text_column
        self._errors = errors
        self._rows: _Rows | None = None
        self._ids: dict[str, int] = {}
        self._line = 0
        for column in (id_column, text_column):
            if column == "":
                raise UsageError("column '': expected a name, or a number from 1")
            if column is not None and column_number(column) == 0:
                raise UsageError(f"column {column}: columns are counted from 1")

    @property
    def are_named(self) -> bool:
        """Whether lines have columns; else each line is a sentence."""
        return self._id_column is not None or self._text_column is not None

    def __call__(self, lines: Sequence[str]) -> Iterator[tuple[int, str, str]]:
        """Read lines; each call goes on after the lines of the call before. Blank lines are no rows.

        Yields:
            The number of the line from 1, the id and the sentence.

        Raises:
            DataError: a line has too few columns, a name is not in the header, or an id occurs twice.
        """
        first = self._line + 1
        self._line += len(lines)
        if not self.are_named:
            for number, line in enumerate(lines, start=first):
                yield number, str(number), line
            return
        if self._rows is None:
            begin = next((line for line in lines if line.strip()), None)
            if begin is None:
                return
            self._rows = self._rows_of(begin)
        for number, name, text in self._rows.read(lines, first):
            yield number, str(number) if name is None else self._unique(number, name.strip()), text

    def finish(self) -> None:
        """Check that the last row is whole.

        Raises:
            DataError: it is not.
        """
        if self._rows is not None:
            self._rows.finish()

    def _unique(self, number: int, name: str) -> str:
        first = self._ids.setdefault(name, number)
        if first != number:
            raise DataError(
                f"{self._source}: line {number}: id {quoted(name)} is also that of line {first}; expected a "
                "different id in each line"
            )
        return name

    def _rows_of(self, first: str) -> _Rows:
        suffix = suffix_of(self._source)
        if suffix in (".jsonl", ".ndjson") or first_object(first) is not None:
            return _Records(self._source, self._id_column, self._text_column, self._errors)
        separator = TAB
        given = filter(None, (self._id_column, self._text_column))
        names = {column for column in given if column_number(column) is None}
        if suffix == ".csv" or (names and TAB not in first and names <= set(columns_of(first, ".csv"))):
            separator = separator_of(first, ".csv")
        return _Table(self._source, self._id_column, self._text_column, separator, has_header=bool(names))


class _Rows(Protocol):
    """Takes the id, if there is a column for it, and the sentence out of rows."""

    def read(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str | None, str]]:
        """Take the next lines, and yield the rows that end there, with the numbers of their first lines."""
        ...

    def finish(self) -> None:
        """Raise an error if a row has no end."""
        ...


class _Table:
    """The rows of a table."""

    def __init__(
        self, source: str, id_column: str | None, text_column: str | None, separator: str, *, has_header: bool
    ) -> None:
        self._source = source
        self._columns = id_column, text_column
        self._separator = separator
        self._needs_header = has_header
        self._header: list[str] = []
        self._rows = Rows(source, separator)

    def read(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str | None, str]]:
        id_column, text_column = self._columns
        for number, cells in self._rows.read(lines, first_line):
            if self._needs_header:
                self._needs_header = False
                self._header = [cell.strip() for cell in cells]
                for column in filter(None, self._columns):
                    self._place(column)
                continue
            name = None if id_column is None else self._cell(cells, id_column, number)
            yield number, name, self._cell(cells, text_column or str(len(cells)), number)

    def finish(self) -> None:
        self._rows.finish()

    def _cell(self, cells: list[str], column: str, number: int) -> str:
        place = self._place(column)
        if place >= len(cells):
            between = "a TAB" if self._separator == TAB else repr(self._separator)
            raise DataError(
                f"{self._source}: line {number}: {len(cells)} columns, no column {column}; expected columns "
                f"with {between} between them"
            )
        return cells[place]

    def _place(self, column: str) -> int:
        number = column_number(column)
        if number is not None:
            return number - 1
        if column not in self._header:
            shown = listed([quoted(name, 30) for name in self._header])
            raise DataError(f"{self._source}: no column {quoted(column)}; the first line names {shown}")
        return self._header.index(column)


class _Records:
    """The records of JSON Lines."""

    def __init__(self, source: str, id_field: str | None, text_field: str | None, errors: str) -> None:
        if text_field is None:
            raise DataError(f"{source}: JSON Lines; name the field that has the sentence with --text-column")
        for field in filter(None, (id_field, text_field)):
            if not all(field.split(".")):
                raise UsageError(f"column {quoted(field)}: expected a field, such as item.id")
        self._id_path = () if id_field is None else parse_path(id_field)
        self._id = None if id_field is None else JsonLines(source, id_field, errors)
        self._text = JsonLines(source, text_field, errors)

    def read(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str | None, str]]:
        for number, line in enumerate(lines, start=first_line):
            for _, text in self._text.texts([line], number):
                yield number, self._id_of(number, line), text

    def finish(self) -> None:
        """A record is a line, so it has an end."""

    def _id_of(self, number: int, line: str) -> str | None:
        if self._id is None:
            return None
        # An id may also be a whole number.
        found: object = first_object(line)
        for name in self._id_path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        ((_, text),) = self._id.texts([line], number)
        return text
