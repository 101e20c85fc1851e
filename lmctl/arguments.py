"""Checks arguments of Python programs that Python itself would take for something else; imports errors alone."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING

from lmctl.errors import UsageError, joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def whole_number(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return an argument that is a whole number; those of NumPy become an int.

    Args:
        name: how the message names it.
        value: the argument.
        least: the smallest number that is allowed.
        most: the largest one; None: any.

    Raises:
        UsageError: it is no whole number, such as 2.0, or is outside its range.
    """
    try:
        number = int(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UsageError(f"{name} is {value!r}; expected a whole number {bounds}")
    return number


def one_of(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse an argument that is none of its choices.

    Raises:
        UsageError: it is none.
    """
    if value not in choices:
        raise UsageError(f"{name} is {value!r}; expected {joined([repr(each) for each in choices], 'or')}")


def texts_of(name: str, values: Iterable[str]) -> list[str]:
    """Return an argument that is several texts, as a list.

    Raises:
        UsageError: it is a single text, which would be taken for its characters.
    """
    if isinstance(values, str):
        raise UsageError(f"{name} is the text {values!r}; expected a list of texts")
    return list(values)


def path_name(path: str | os.PathLike[str]) -> str:
    """Return a path or an address as text.

    Raises:
        UsageError: it is empty. Path("") is the working directory.
    """
    name = os.fspath(path)
    if not name:
        raise UsageError("expected a path, got ''")
    return name
