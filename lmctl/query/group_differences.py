"""The cost of groups of tokens under each model, and the intervals of their differences.

A difference is resampled by the units of the text, as that of the whole text is. A resample without tokens of a
group says nothing about it, and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.query.bootstrap import interval_of
from lmctl.query.compared import Group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import Float64Array, Int64Array
    from lmctl.query.bootstrap import Interval, Resampling
    from lmctl.query.groups import Grouping


def sums_of_units(groupings: Sequence[Grouping], bits: Float64Array, unit_of: Int64Array) -> Float64Array:
    """The sums of each unit that the differences of groups are resampled from, (U, K).

    Args:
        groupings: of P pieces.
        bits: of each piece under each model, (M, P).
        unit_of: the unit of each piece, from 0, (P,).

    Returns:
        For each grouping into G groups, (1 + M) * G columns: pieces of each group, then their bits under each
        model.
    """
    units = int(unit_of[-1]) + 1
    found = []
    for _, names, group in groupings:
        place = unit_of * len(names) + group
        for weights in (None, *bits):
            sums = np.bincount(place, weights, minlength=units * len(names))
            found.append(sums.reshape(units, len(names)))
    return np.concatenate(found, axis=1, dtype=np.float64)


def groups_of(
    names: Sequence[str],
    groupings: Sequence[Grouping],
    bits: Float64Array,
    resamples: tuple[Float64Array, Float64Array] | None,
    resampling: Resampling,
) -> Iterator[Group]:
    """Yield each group that has tokens, under each model.

    Args:
        names: of the models.
        groupings: of P pieces.
        bits: of each piece under each model, (M, P).
        resamples: the sums of units, (U, K), and of resamples, (samples, K), as `sums_of_units` has them; None: no
            intervals.
        resampling: of the intervals.
    """
    with np.errstate(invalid="ignore"):
        differences = bits.sum(axis=1) - bits[0].sum()
    column = 0
    for by, of_group, group in groupings:
        sizes = np.bincount(group, minlength=len(of_group)).tolist()
        sums = [np.bincount(group, own, minlength=len(of_group)) for own in bits]
        for place in (place for place, size in enumerate(sizes) if size):
            for model, own in enumerate(sums):
                with np.errstate(invalid="ignore"):
                    more = float(own[place] - sums[0][place])
                whole = float(differences[model])
                yield Group(
                    by=by,
                    group=of_group[place],
                    model=names[model],
                    tokens=sizes[place],
                    bits=float(own[place]),
                    bits_per_token=float(own[place]) / sizes[place],
                    difference_bits=more / sizes[place] if model else None,
                    interval=_interval(resamples, column + place, len(of_group), model, resampling)
                    if model and not np.isnan(more)
                    else None,
                    share=more / whole if model and whole and np.isfinite(whole) else None,
                )
        column += (1 + len(names)) * len(of_group)


def _interval(
    resamples: tuple[Float64Array, Float64Array] | None,
    place: int,
    groups: int,
    model: int,
    resampling: Resampling,
) -> Interval | None:
    """The interval of the difference of a model from the first one; None: the group is in one unit alone.

    Args:
        resamples: as in `groups_of`.
        place: the column of the pieces of the group.
        groups: number of groups of the grouping.
        model: number of the model, from 0.
        resampling: of the interval.
    """
    if resamples is None:
        return None
    of_units, drawn = resamples
    units = int(np.count_nonzero(of_units[:, place]))
    if units < 2:
        return None
    has_tokens = drawn[:, place] > 0
    tokens, first, own = (drawn[has_tokens, place + step * groups] for step in (0, 1, 1 + model))
    return interval_of((own - first) / tokens, resampling, units) if len(tokens) else None
