"""Types of parameters that click lacks or checks incompletely."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING, Any, Literal

import click

from lmctl.records import shortened
from lmctl.text.addresses import is_address, known_name

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.query.units import Unit

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
# The most characters of a value that a message quotes.
LONGEST_QUOTE = 60


class PathName(click.Path):
    """The path of a file or a folder, or the name of a model.

    The empty text, which a shell passes for a variable that is not set, is refused: Path("") is the working
    folder. The address of a text, such as s3://bucket/corpus.txt, becomes its public name. If the value is a Path,
    which commands write to, an address is refused.
    """

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Return the path, as text or as a Path."""
        if not os.fspath(value):
            self.fail("expected a path, got ''; is a variable of the shell not set?", param, ctx)
        if isinstance(value, str):
            value = known_name(value)
            if self.type is not None and is_address(value):
                self.fail(
                    f"expected a path of this machine, got {shortened(value, LONGEST_QUOTE)}; a file of this name "
                    f"is ./{shortened(value, LONGEST_QUOTE)}",
                    param,
                    ctx,
                )
        return super().convert(value, param, ctx)


class EncodingName(click.ParamType[str]):
    """The name of a text encoding that Python knows; it is checked even if the command reads no file."""

    name = "encoding"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; refuse one that is unknown."""
        name = str(value)
        if name != "utf-8":
            from lmctl.errors import UsageError
            from lmctl.text.encodings import resolve_encoding

            try:
                resolve_encoding(name, "strict")
            except UsageError:
                quoted = shortened(name, LONGEST_QUOTE)
                self.fail(f"expected the name of a text encoding, such as gb18030, got {quoted!r}", param, ctx)
        return name


class TimeSpan(click.ParamType[float]):
    """A time such as 90s, 50m, 1.5h or 2d, as configurations have it; converted to seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds of a text."""
        from lmctl.config import seconds_of
        from lmctl.config.training_keys import TIME, TIME_PATTERN

        text = str(value).strip()
        if not re.match(TIME_PATTERN, text) or not seconds_of(text):
            self.fail(f"expected {TIME['expected']}, got {shortened(text, LONGEST_QUOTE)!r}", param, ctx)
        return seconds_of(text)


class FiniteNumber(click.ParamType[float]):
    """A finite number within bounds, which are included as a rule.

    FloatRange of click (8.5.1) accepts `nan` for all bounds.

    Args:
        low: the least number that is allowed; None: no bound.
        high: the greatest number that is allowed; None: no bound.
        above_low: whether `low` itself is refused.
    """

    name = "number"

    def __init__(self, low: float | None = None, high: float | None = None, *, above_low: bool = False) -> None:
        self._low = -math.inf if low is None else low
        self._high = math.inf if high is None else high
        self._above_low = above_low

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number that a text stands for; refuse one that is not within the bounds."""
        text = str(value).strip()
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        is_within = math.isfinite(number) and self._low <= number <= self._high
        if not is_within or (self._above_low and number == self._low):
            quoted = shortened(text, LONGEST_QUOTE)
            self.fail(
                f"expected {self._expected()}, got {quoted if math.isfinite(number) else repr(quoted)}", param, ctx
            )
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        """Return the metavar that click uses for numbers."""
        return "FLOAT"

    def _expected(self) -> str:
        if self._above_low:
            return f"a number above {self._low:g}" + (
                f" and at most {self._high:g}" if math.isfinite(self._high) else ""
            )
        if math.isfinite(self._low) and math.isfinite(self._high):
            return f"a number from {self._low:g} to {self._high:g}"
        if math.isfinite(self._low):
            return f"a number of at least {self._low:g}"
        return f"a number of at most {self._high:g}" if math.isfinite(self._high) else "a number"


def page_file(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Refuse standard output as the file of a page: it has the results of the command."""
    if str(path) == "-":
        raise click.BadParameter("expected a file; standard output has the results of this command")
    return path


def ranks(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """`1,5,10` -> (1, 5, 10); not given: none."""
    if value is None:
        return ()
    try:
        found = tuple(sorted({int(part) for part in value.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 1:
        raise click.BadParameter(
            f"expected whole numbers from 1, such as 1,5,10, got {shortened(value, LONGEST_QUOTE)!r}"
        )
    return found


def ranks_or_none(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """As `ranks`, and `none` -> ()."""
    return ranks(context, parameter, None if value == "none" else value)


def unit_of_resamples(_context: click.Context, _parameter: click.Parameter, value: str) -> Unit:
    """`line`, `document`, or `20` -> 20."""
    names: tuple[Literal["line", "document"], ...] = ("line", "document")
    for name in names:
        if value == name:
            return name
    if value.isdecimal() and value.isascii() and len(value) < 10 and int(value) > 0:
        return int(value)
    raise click.BadParameter(
        f"expected line, document or a number of lines, got {shortened(value, LONGEST_QUOTE)!r}"
    )
