"""Natural logarithms, which tables hold, from the log10 of ARPA files, and back.

ARPA files write decimals of few digits. A table keeps the nearest float32 of the natural logarithm, which is not a
decimal. What is given back is the shortest decimal that becomes the same float32, nearly always that of the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lmctl.arrays import Float32Array, Float64Array


# The log10 that stands for a probability of 0 (SRILM).
LOG10_ZERO = -99.0
LN_10 = math.log(10.0)

# The largest back-offs of all orders add up to no more than this: exp of what they leave fits a float32.
MOST_LOG10_BACKOFFS = 38.0

# Six digits are always given back; nine always suffice.
_FEWEST_DIGITS, _MOST_DIGITS = 6, 9
# The largest power of ten that a double holds exactly.
_EXACT_POWER = 22


def natural_of(log10: ArrayLike) -> Float32Array:
    """Natural logarithms of probabilities or back-offs, given their log10; what stands for zero is -inf."""
    values = np.asarray(log10, dtype=np.float64)
    natural = np.where(values == LOG10_ZERO, -np.inf, values * LN_10)
    # What is too small for a float32 is zero.
    with np.errstate(over="ignore"):
        return natural.astype(np.float32)


def log10_of(natural: Float32Array) -> Float64Array:
    """The decimal of fewest digits, nine at most, that `natural_of` makes each of these; `LOG10_ZERO` of -inf."""
    log10: Float64Array = natural.ravel().astype(np.float64) / LN_10
    log10[np.isneginf(log10)] = LOG10_ZERO
    missing = np.flatnonzero((log10 != LOG10_ZERO) & (log10 != 0) & np.isfinite(log10))
    exact, wanted = log10[missing], natural.ravel()[missing]
    for digits in range(_FEWEST_DIGITS, _MOST_DIGITS + 1):
        decimals = _rounded(exact, digits)
        log10[missing] = decimals
        wrong = natural_of(decimals) != wanted
        missing, exact, wanted = missing[wrong], exact[wrong], wanted[wrong]
    return log10.reshape(natural.shape)


def _rounded(values: Float64Array, digits: int) -> Float64Array:
    """The doubles nearest to values of so many significant digits; no value is 0."""
    places = digits - 1 - np.floor(np.log10(np.abs(values))).astype(np.int64)
    # A whole number by a power of ten that a double holds exactly: the quotient is rounded once.
    usual = (places >= 0) & (places <= _EXACT_POWER)
    scale = 10.0 ** np.where(usual, places, 0)
    decimals: Float64Array = np.round(values * scale) / scale
    decimals[~usual] = [float(f"{value:.{digits - 1}e}") for value in values[~usual]]
    return decimals
