"""CSV and TSV: tables, one of whose columns has the text.

CSV is read as in RFC 4180: a field in quotation marks may have separators and line ends inside, and a quotation
mark inside is doubled. TSV has no quoting (IANA, text/tab-separated-values): each line is a row, each TAB
separates two fields, and quotation marks are characters like others.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from lmctl.errors import DataError, UsageError, listed, quoted
from lmctl.text.limits import LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TAB = "\t"
# No line has a column with a longer number.
_LONGEST_NUMBER = len(str(LONGEST_LINE_BYTES))


def separator_of(first_line: str, suffix: str) -> str:
    """Return the separator of a table: a TAB, a comma, or a semicolon as spreadsheets write it in some countries.

    Args:
        first_line: the first line of the table.
        suffix: the suffix of its name, such as ".csv"; the first line decides if it is neither ".csv" nor ".tsv".
    """
    if suffix == ".tsv" or (suffix != ".csv" and TAB in first_line):
        return TAB
    return ";" if ";" in first_line and "," not in first_line else ","


def columns_of(first_line: str, suffix: str) -> list[str]:
    """Return the fields of the first line of a table."""
    separator = separator_of(first_line, suffix)
    if separator == TAB:
        return first_line.split(TAB)
    try:
        return next(csv.reader([first_line], delimiter=separator), [])
    except csv.Error:
        return first_line.split(separator)


def column_number(column: str) -> int | None:
    """Return the number of a column; None if it is the name of a column."""
    is_number = column.isascii() and column.isdecimal() and len(column) <= _LONGEST_NUMBER
    return int(column) if is_number else None


class Rows:
    """Cuts the lines of one source into the rows of a table.

    Args:
        source: name of the source for messages.
        separator: as returned by `separator_of`.
    """

    def __init__(self, source: str, separator: str) -> None:
        self._source = source
        self._separator = separator
        # Lines of a row of CSV whose end has not been read yet, and the number of the first one.
        self._pending: list[str] = []
        self._first = 1

    def read(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows that end in these lines, with the number of their first lines. Blank lines are skipped.

        Args:
            lines: the next lines of the source.
            first_line: number of the first of them, from 1.

        Raises:
            DataError: quotation marks are wrong.
        """
        if self._separator == TAB:
            for number, line in enumerate(lines, start=first_line):
                # TABs alone are a row of empty fields.
                if TAB in line or line.strip():
                    yield number, line.split(TAB)
            return
        if not self._pending:
            self._first = first_line
        self._pending += lines
        yield from self._csv_rows(final=False)

    def finish(self) -> None:
        """Check at the end of the source that its last row is whole.

        Raises:
            DataError: it is not.
        """
        # All whole rows have been yielded.
        list(self._csv_rows(final=True))

    def _csv_rows(self, *, final: bool) -> Iterator[tuple[int, list[str]]]:
        """Read the whole records of the pending lines."""
        # The limit holds for the process, and is 131,072 by default. It is never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE_BYTES))
        # A CR inside a line is white space, as in other texts; csv would take it for a line end.
        lines = [line.replace("\r", " ") + "\n" for line in self._pending]
        rows = csv.reader(lines, delimiter=self._separator, strict=True)
        begun = 0
        while True:
            number = self._first + begun
            try:
                row = next(rows, None)
            except csv.Error as error:
                if "unexpected end of data" not in str(error):
                    raise self._wrong_quote(self._first + rows.line_num - 1, str(error)) from None
                if final:
                    raise DataError(
                        f"{self._source}: line {number}: a quoted field begins in this row and has no end; a "
                        "quotation mark is missing or not doubled"
                    ) from None
                break
            if row is None:
                break
            begun = rows.line_num
            if row and (len(row) > 1 or row[0].strip()):
                yield number, row
        del self._pending[:begun]
        self._first += begun
        if sum(map(len, self._pending)) > LONGEST_LINE_BYTES:
            raise DataError(
                f"{self._source}: line {self._first}: a quoted field begins in this row and has no end within "
                f"{LONGEST_LINE_BYTES} characters; a quotation mark is missing or not doubled"
            )

    def _wrong_quote(self, number: int, why: str) -> DataError:
        if "expected after" in why:
            why = "text follows the quotation mark that ends a field; a quotation mark inside a field is doubled"
        return DataError(f"{self._source}: line {number}: not valid CSV: {why}")


class Table:
    """Takes the text of one column out of the rows of one source.

    Args:
        source: name of the source for messages.
        column: the name of the column in the header, or its number from 1. With a number, the table has no header.
        suffix: the suffix of the name of the source, in small letters.

    Raises:
        UsageError: `column` is 0.
    """

    def __init__(self, source: str, column: str, suffix: str) -> None:
        self._source = source
        self._column = column
        self._suffix = suffix
        self._rows: Rows | None = None
        self._index: int | None = None
        self._number = column_number(column)
        if self._number is not None:
            self._index = self._number - 1
            if self._index < 0:
                raise UsageError("--column (text.column): columns are counted from 1, got 0")

    def texts(self, lines: Sequence[str], first_line: int) -> Iterator[tuple[int, str]]:
        """Yield the text of each row, with the number of its first line. Blank lines are skipped.

        Args:
            lines: the next lines of the source.
            first_line: number of the first of them, from 1.

        Raises:
            DataError: a row lacks the column, the header does not name it, or quotation marks are wrong.
        """
        if self._rows is None:
            begin = next((line for line in lines if line.strip()), None)
            if begin is None:
                return
            self._rows = Rows(self._source, separator_of(begin, self._suffix))
        yield from self._column_of(self._rows.read(lines, first_line))

    def finish(self) -> Iterator[tuple[int, str]]:
        """Yield nothing more at the end of the source: all rows have been yielded.

        Raises:
            DataError: the last row is not whole.
        """
        if self._rows is not None:
            self._rows.finish()
        yield from ()

    def _column_of(self, rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, str]]:
        for number, row in rows:
            if self._index is None:
                self._index = self._in_header(row, number)
            elif self._index < len(row):
                yield number, row[self._index]
            else:
                raise DataError(
                    f"{self._source}: line {number}: a row of {len(row)} column{'s' if len(row) > 1 else ''}; "
                    f"expected text in column {self._index + 1}"
                    f"{f', {quoted(self._column)}' if self._number is None else ''}"
                )

    def _in_header(self, header: Sequence[str], number: int) -> int:
        names = [name.strip() for name in header]
        places = [place for place, name in enumerate(names) if name == self._column.strip()]
        if len(places) == 1:
            return places[0]
        if places:
            raise DataError(
                f"{self._source}: line {number}: columns {places[0] + 1} and {places[1] + 1} of the header are "
                f"both named {quoted(self._column)}; rename one of them"
            )
        shown = listed([name if len(name) <= 40 else f"{name[:37]}..." for name in names])
        raise DataError(
            f"{self._source}: line {number}: no column {quoted(self._column)} in the header; its columns are "
            f"{shown} (for a table without a header, --column takes a number from 1)"
        )
