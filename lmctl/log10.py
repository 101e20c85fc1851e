"""Converts the log10 of ARPA files to the natural logarithms of tables, and back.

ARPA files have decimals of few digits. A table holds the nearest float32 of the natural logarithm. The way back
gives the shortest decimal that becomes the same float32, which is nearly always the decimal of the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from lmctl.arrays import Float32Array, Float64Array, Int64Array

# The log10 that stands for a probability of 0 (SRILM).
LOG10_ZERO = -99.0
LN_10 = math.log(10.0)

# Upper bound for the sum of the largest back-offs of all orders, so that their exponential fits a float32.
MOST_LOG10_BACKOFFS = 38.0

# The digits that are tried: a float32 keeps any 6 digits, and 9 digits identify any float32.
_FEWEST_DIGITS, _MOST_DIGITS = 6, 9
# The largest power of ten that a double holds exactly.
_EXACT_POWER = 22


def natural_of(log10: ArrayLike) -> Float32Array:
    """Return natural logarithms of probabilities or back-offs, given their log10; `LOG10_ZERO` becomes -inf."""
    values = np.asarray(log10, dtype=np.float64)
    natural = np.where(values == LOG10_ZERO, -np.inf, values * LN_10)
    # A logarithm that is too small for a float32 becomes -inf.
    with np.errstate(over="ignore"):
        return natural.astype(np.float32)


def log10_of(natural: Float32Array) -> Float64Array:
    """Return the shortest decimals, of 9 digits at most, that `natural_of` converts to these values.

    -inf becomes `LOG10_ZERO`.
    """
    log10: Float64Array = natural.ravel().astype(np.float64) / LN_10
    log10[np.isneginf(log10)] = LOG10_ZERO
    decimals = (log10 != LOG10_ZERO) & (log10 != 0) & np.isfinite(log10)
    _shorten(log10, np.flatnonzero(decimals), natural.ravel(), natural_of)
    return log10.reshape(natural.shape)


def shortest_decimals(values: Float32Array) -> Float64Array:
    """Return the shortest decimals, of 9 digits at most, whose nearest float32 are these values."""
    with np.errstate(invalid="ignore"):
        decimals: Float64Array = values.ravel().astype(np.float64)
    missing = np.flatnonzero((decimals != 0) & np.isfinite(decimals))
    _shorten(decimals, missing, values.ravel(), lambda found: found.astype(np.float32))
    return decimals.reshape(values.shape)


def _shorten(
    values: Float64Array,
    missing: Int64Array,
    wanted: Float32Array,
    convert: Callable[[Float64Array], Float32Array],
) -> None:
    """Replace the values at `missing` by the shortest decimals that are converted to the wanted float32."""
    exact, wanted = values[missing], wanted[missing]
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
        decimals = _rounded(exact, digits)
        values[missing] = decimals
        wrong = convert(decimals) != wanted
        missing, exact, wanted = missing[wrong], exact[wrong], wanted[wrong]


def _rounded(values: Float64Array, digits: int) -> Float64Array:
    """Round values to a number of significant digits; no value may be 0."""
    places = digits - 1 - np.floor(np.log10(np.abs(values))).astype(np.int64)
    # A double holds the whole number and the power of ten exactly, so the quotient is rounded only once.
    usual = (places >= 0) & (places <= _EXACT_POWER)
    scale = 10.0 ** np.where(usual, places, 0)
    decimals: Float64Array = np.round(values * scale) / scale
    decimals[~usual] = [float(f"{value:.{digits - 1}e}") for value in values[~usual]]
    return decimals
