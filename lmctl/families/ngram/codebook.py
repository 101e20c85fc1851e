"""A codebook of shares for one order: the few values that stand for all shares.

The share of an n-gram is the part of its probability that its own count gives: (count - discount) / all counts of
its context. Most n-grams have one of a few counts, so a few values represent nearly all shares exactly.

The values are those of Lloyd's algorithm (1982) in the logit domain, log(s / (1 - s)), started from quantiles of
the cube root of the density, which is optimal for many values (Panter & Dite 1951). In this domain, shares near 1
are as precise as the weights 1 - s that they leave to the lower order. Every value is a multiple of 2^-24, so that
a float64 holds every sum of shares exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, Int64Array

# The values of a codebook are multiples of this. So is the weight of a context; a float32 holds it exactly.
GRID = 2.0**-24
# Shares are put into classes by the upper bits of their float32, 16,384 classes for each power of two.
_CLASS_SHIFT = 9
_LEAST_CLASS = int(np.float32(GRID / 2).view(np.uint32)) >> _CLASS_SHIFT
_CLASSES = (int(np.float32(1.0).view(np.uint32)) >> _CLASS_SHIFT) - _LEAST_CLASS + 1
_MOST_ROUNDS = 200


class ShareCounts:
    """Counts the shares of an order, in classes of nearly equal shares, and chooses the codebook."""

    def __init__(self) -> None:
        self._counts = np.zeros(_CLASSES, dtype=np.int64)
        self._sums = np.zeros(_CLASSES)
        self._least = 1.0

    def add(self, shares: Float32Array) -> None:
        """Count shares, (ngrams,), from 0 to 1."""
        if not len(shares):
            return
        classes = np.maximum(shares, np.float32(GRID / 2)).view(np.uint32) >> np.uint32(_CLASS_SHIFT)
        places = classes.astype(np.int64) - _LEAST_CLASS
        self._counts += np.bincount(places, minlength=_CLASSES)
        self._sums += np.bincount(places, shares, minlength=_CLASSES)
        self._least = min(self._least, float(shares.min()))

    def counted(self) -> tuple[Int64Array, Int64Array, Float64Array, Float64Array]:
        """What was counted, in few bytes if few classes have shares, for `add_counted`.

        Returns:
            The classes that have shares, (classes,), the number of their shares, the sum of these, and the least
            share, (1,).
        """
        there = np.flatnonzero(self._counts)
        return there, self._counts[there], self._sums[there], np.array([self._least])

    def add_counted(self, there: Int64Array, counts: Int64Array, sums: Float64Array, least: Float64Array) -> None:
        """Add the shares that another object has counted (`counted`)."""
        self._counts[there] += counts
        self._sums[there] += sums
        self._least = min(self._least, float(least[0]))

    def codebook(self, size: int) -> Float64Array:
        """Choose the values.

        Args:
            size: the number of values, 2 or more.

        Returns:
            The values, (size,), rising; the last one is repeated if fewer suffice. The first one is not greater
            than any share, so that rounding a share down is always possible.
        """
        there = np.flatnonzero(self._counts)
        means = self._sums[there] / self._counts[there]
        least = min(np.floor(self._least / GRID), 1 / GRID - 1) * GRID
        chosen = means if len(means) < size else _lloyd(means, self._counts[there], size - 1)
        values = np.unique(np.concatenate([[least], np.clip(np.round(chosen / GRID), 0, 1 / GRID - 1) * GRID]))
        return np.concatenate([values, np.full(size - len(values), values[-1])])


def nearest(codebook: Float64Array, shares: Float32Array) -> Int64Array:
    """The codes of the nearest values in the logit domain, (ngrams,)."""
    middles = _logit(codebook)
    return np.searchsorted(_from_logit((middles[1:] + middles[:-1]) / 2), shares)


def below(codebook: Float64Array, shares: Float32Array) -> Int64Array:
    """The codes of the largest values that are not greater than the shares, (ngrams,)."""
    return np.maximum(np.searchsorted(codebook, shares, side="right") - 1, 0)


def _lloyd(values: Float64Array, counts: Int64Array, levels: int) -> Float64Array:
    """The centres that Lloyd's algorithm finds for values that occur `counts` times each."""
    logits = _logit(values)
    density = np.cumsum(np.cbrt(counts))
    centres = np.interp((np.arange(levels) + 0.5) / levels * density[-1], density, logits)
    for _ in range(_MOST_ROUNDS):
        bounds = np.searchsorted(logits, (centres[1:] + centres[:-1]) / 2)
        of_each = np.zeros(len(logits), dtype=np.int64)
        np.add.at(of_each, bounds[bounds < len(logits)], 1)
        of_each = np.cumsum(of_each)
        totals = np.bincount(of_each, counts, minlength=levels)
        sums = np.bincount(of_each, counts * logits, minlength=levels)
        better = np.where(totals > 0, sums / np.maximum(totals, 1), centres)
        if np.array_equal(better, centres):
            break
        centres = better
    return _from_logit(centres)


def _logit(shares: Float64Array) -> Float64Array:
    inside = np.clip(shares, GRID / 2, 1 - GRID / 2)
    logits: Float64Array = np.log(inside) - np.log1p(-inside)
    return logits


def _from_logit(logits: Float64Array) -> Float64Array:
    return 1 / (1 + np.exp(-logits))
