"""The paired bootstrap: how far the figures of a text would vary with other lines of the same kind.

A resample draws as many lines as the text has, with replacement; its figures are those of the drawn lines. The
interval leaves out the most extreme resamples at both ends (percentile interval; Efron & Tibshirani 1993, An
Introduction to the Bootstrap, chapter 13). Two models are compared on the same resamples (paired bootstrap; Koehn
2004, Statistical Significance Tests for Machine Translation Evaluation). Nothing is scored again: a resample needs
only the sums of each line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lmctl.errors import DataError
from lmctl.perplexity import perplexity_of
from lmctl.progress import tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array

# Lines that are drawn at once: 32 MiB of places, and as much of counts.
DRAWN_AT_ONCE = 1 << 22


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are computed; the same values give the same intervals.

    Attributes:
        confidence: of the intervals, in percent, above 0 and at most 100.
        samples: number of resamples, at least 1.
        seed: seed of the random numbers.
    """

    confidence: float = 95.0
    samples: int = 10_000
    seed: int = 1


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """An interval of a figure.

    Attributes:
        low: its lower end.
        high: its upper end.
        confidence: in percent.
        samples: number of resamples.
        seed: seed of the random numbers.
        units: number of lines, or of other units, that were drawn from.
    """

    low: float
    high: float
    confidence: float
    samples: int
    seed: int
    units: int


def resampled(sums: Float64Array, resampling: Resampling) -> Float64Array:
    """The sums of resamples, (samples, K).

    Args:
        sums: K sums of each unit, such as nats and tokens of each line, (units, K). A sum may be infinite; then it
            is positive, and infinite for each resample that has the unit.
        resampling: number of resamples, and seed.
    """
    (found,) = resampled_together([sums], resampling)
    return found


def resampled_together(parts: Sequence[Float64Array], resampling: Resampling) -> list[Float64Array]:
    """The sums of the same resamples for each part, (samples, K); see `resampled`.

    The last digits of a sum may depend on the columns beside it, so each part is summed by itself: it has the
    numbers that it has without the others.
    """
    units = len(parts[0])
    sums = [_Sums(part, resampling.samples) for part in parts]
    random = np.random.default_rng(resampling.seed)
    at_once = max(1, DRAWN_AT_ONCE // units)
    for first in range(0, resampling.samples, at_once):
        tell("resampling", first, resampling.samples)
        rows = min(at_once, resampling.samples - first)
        drawn = random.integers(0, units, size=(rows, units))
        drawn += np.arange(rows)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
        for each in sums:
            each.add(counts, first)
    return [each.found for each in sums]


class _Sums:
    """Sums of resamples, of the sums of each unit, (units, K)."""

    def __init__(self, of_units: Float64Array, samples: int) -> None:
        is_infinite = np.isinf(of_units)
        self._finite = np.where(is_infinite, 0.0, of_units)
        self._is_infinite = is_infinite if is_infinite.any() else None
        self.found = np.empty((samples, of_units.shape[1]))

    def add(self, counts: Float64Array, first: int) -> None:
        """Add resamples, of which the first one has this number, given how often each has each unit."""
        found = self.found[first : first + len(counts)]
        found[:] = counts @ self._finite
        if self._is_infinite is not None:
            # 0 times infinity is not a number, so infinite sums are counted.
            found[counts @ self._is_infinite > 0] = np.inf


def interval_of(values: Float64Array, resampling: Resampling, units: int) -> Interval:
    """The percentile interval of a figure, given its value in each resample, (samples,).

    At a confidence of 95 percent, the lowest 2.5 percent of the values and the highest 2.5 percent are left out.
    """
    in_order = np.sort(values)
    # 100 - 99.9 is not exactly 0.1.
    left_out = int(len(values) * (100 - resampling.confidence) / 200 + 1e-9)
    # At a confidence of next to 0, at least one value stays.
    left_out = min(left_out, (len(values) - 1) // 2)
    return Interval(
        low=float(in_order[left_out]),
        high=float(in_order[len(values) - 1 - left_out]),
        confidence=resampling.confidence,
        samples=resampling.samples,
        seed=resampling.seed,
        units=units,
    )


def perplexity_interval(sums: Float64Array, resampling: Resampling) -> Interval:
    """The interval of a perplexity, given nats and tokens of each line, (lines, 2)."""
    nats, tokens = resampled(sums, resampling).T
    found = interval_of(nats / tokens, resampling, len(sums))
    return msgspec.structs.replace(found, low=perplexity_of(found.low), high=perplexity_of(found.high))


def p_value(differences: Float64Array) -> float:
    """The two-sided p-value of a difference, given its value in each resample, (samples,).

    It is twice the share of the resamples in which the difference is 0 or has the other sign. One is added to both
    counts, so it is never 0 (Davison & Hinkley 1997, Bootstrap Methods and their Application, section 4.2). If the
    interval of 95 percent leaves out 0, it is at most 0.05 + 2 / (samples + 1); if not, it is above 0.05.
    """
    not_above, not_below = np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0)
    return min(1.0, 2 * (1 + min(int(not_above), int(not_below))) / (len(differences) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number.

    The smallest of m is multiplied by m, the next one by m - 1, and so on; none becomes smaller than the one
    before it, or larger than 1 (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
    Journal of Statistics 6). If values below 0.05 are taken for differences, the probability that at least one
    of them is none is below 0.05, however the tests depend on each other.
    """
    found, least = [0.0] * len(p_values), 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - done) * p_values[place]))
        found[place] = least
    return found


def check_units(units: int, name: str, unit: str) -> None:
    """Refuse a text that has only one unit, of which every resample is the text itself.

    Args:
        units: number of units.
        name: of the text, for the message.
        unit: what a unit is called.

    Raises:
        DataError: there is one unit.
    """
    if units < 2:
        raise DataError(f"{name}: {units} {unit} to draw from; an interval needs two or more")
