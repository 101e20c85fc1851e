"""Bands of numbers: which band a value is in, and the names of bands."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import IntArray

# Bands of the number of occurrences of a word in the training text: the least value of each. A band reaches to the
# value before the next one.
COUNTS = (0, 1, 2, 10, 100, 1_000, 10_000)
# The group of out-of-vocabulary words, beside the bands.
OOV = "oov"


def bands_of(least: Sequence[int], values: IntArray) -> IntArray:
    """The band of each value, from 0, given the least value of each band."""
    return np.searchsorted(np.array(least), values, side="right") - 1


def band_names(least: Sequence[int]) -> list[str]:
    """`1` for a band of one value, `2-9` for several, `10-` for the last."""
    found = []
    for low, following in itertools.pairwise(least):
        found.append(str(low) if following == low + 1 else f"{low}-{following - 1}")
    return [*found, f"{least[-1]}-"]
