"""How reports write numbers."""

from __future__ import annotations

import math

# Longest text in a cell: a message, a path or a word of a foreign file may have any length.
LONGEST_TEXT = 400
# Larger numbers have an exponent: a word with log10 -100, KenLM's default for <unk>, has a perplexity of 10^100.
MOST_PLAIN = 1e15


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with a fixed number of decimals; `-` for None and for what is not a number."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:z,.{digits}f}" if abs(value) < MOST_PLAIN else f"{value:.{digits}e}"


def signed(value: float | None, digits: int = 2) -> str:
    """A difference with its sign; `-` for None."""
    return f"+{decimal(value, digits)}" if value is not None and value > 0 else decimal(value, digits)


def percent(share: float | None) -> str:
    """A share in percent; `-` for None."""
    return "-" if share is None else f"{100 * share:z.2f} %"


def count(value: int | None) -> str:
    """A whole number; `-` for None."""
    return "-" if value is None else f"{value:,}"


def significant(value: float | None) -> str:
    """A number with four significant digits, for values of any size; `-` for None."""
    return "-" if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """A time such as 1 h 05 min, 3 min 20 s or 12 s."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"
