"""How messages quote a value that was received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from lmctl.errors import joined

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_SHOWN = 60


class WrittenNumber(float):
    """A number of a document with its text, so that a message can quote it as the user wrote it.

    Args:
        text: the text, such as 1e3, or a whole number with too many digits for an int.
    """

    def __new__(cls, text: str) -> Self:
        """Make the number of a text."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def plain(value: object) -> object:
    """Return a value of a document as one of Python's own types."""
    return float(value) if isinstance(value, WrittenNumber) else value


def is_large_whole_number(value: object) -> bool:
    """Return whether a value is a positive whole number with too many digits for an int."""
    return isinstance(value, WrittenNumber) and value.text.lstrip("+").isdecimal()


def shown(value: object) -> str:
    """Return a received value on one short line, for a message."""
    if isinstance(value, WrittenNumber):
        return shortened(value.text)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int) and abs(value) >= 10**_LONGEST_SHOWN:
        return "a huge number"  # repr() refuses more than 4,300 digits
    return shortened(repr(value))


def one_line(name: str) -> str:
    """Return a file's name for a message: as it is if it is printable, else quoted and escaped."""
    return name if name and name.isprintable() else repr(name)


def shortened(text: str) -> str:
    """Return a text, cut if it is too long for a message."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def families_named(names: Sequence[str]) -> str:
    """Return families for a message: family a; families a and b."""
    return f"{'family' if len(names) == 1 else 'families'} {joined(names)}"
