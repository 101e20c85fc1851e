"""How messages show what was received."""

from __future__ import annotations

_LONGEST_SHOWN = 60


def shown(value: object) -> str:
    """A received value on one short line, for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, int) and abs(value) >= 10**_LONGEST_SHOWN:
        return "a huge number"  # repr() refuses those of more than 4,300 digits
    return shortened(repr(value))


def one_line(name: str) -> str:
    """A file's name for a message: as it is where it can be printed, else quoted and escaped."""
    return name if name and name.isprintable() else repr(name)


def shortened(text: str) -> str:
    """A text, cut if it is too long for a message."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
