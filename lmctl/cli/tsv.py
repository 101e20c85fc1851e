r"""Tab-separated rows, in the same dialect for all commands.

A field holds no TAB and no line end: they are written `\t`, `\n` and `\r`, and a backslash `\\`, as in COPY of
PostgreSQL. So awk, `cut` and `read.delim(quote = "")` of R find the same columns in all rows. Nothing is quoted. A
float has six decimals, and zero has no minus. None is an empty field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def field(value: object) -> str:
    r"""Return a value as one field, with `\t`, `\n`, `\r` and `\\` for TABs, line ends and backslashes."""
    # The commonest kinds first: there may be a row for each word of a corpus.
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, float):
        return f"{value:z.6f}"
    if isinstance(value, int):
        return str(value)
    return "" if value is None else str(value).translate(_ESCAPES)


def row(values: Iterable[object]) -> str:
    """Return values as one row, without a line end."""
    return "\t".join(map(field, values))
