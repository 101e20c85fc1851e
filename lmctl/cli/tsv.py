r"""Tab-separated rows, in one dialect for all commands.

A field never holds a TAB or a line end: they are written `\t`, `\n` and `\r`, and a backslash `\\`, as in
PostgreSQL's COPY. So the columns of every row are those of the first, for awk, `cut` and R's
`read.delim(quote = "")`. Nothing is quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def field(value: object) -> str:
    r"""A value as one field: `\t`, `\n`, `\r` and `\\` in place of what would break a row."""
    return str(value).translate(_ESCAPES)


def row(values: Iterable[object]) -> str:
    """Values as one row, without its line end."""
    return "\t".join(map(field, values))
