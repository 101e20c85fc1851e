"""The form of moments.safetensors: what a bundle keeps of the second moments of an optimizer.

`training.moments` explains what they are. For a weight of shape (R, ...), the file has `NAME/rows` (R,) and
`NAME/columns` (...); for a vector, it has `NAME`. All are float32. `steps`, int64 (1,), is the number of steps
that they are of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.errors import DataError
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

STEPS = "steps"
ROWS, COLUMNS = "/rows", "/columns"
# More steps than any training has. Their sum with those of another training is still an int64.
MOST_STEPS = 1 << 53

_Form = tuple[str, tuple[int, ...]]


def check_moments(
    moments: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
    fixed: Iterable[str],
    where: str,
) -> None:
    """Refuse second moments that are not those of a network.

    Args:
        moments: the content of the file.
        shapes: the shapes of the network's weights, by name.
        fixed: names of weights that training does not change, and that therefore have no moments.
        where: name of the file in messages.

    Raises:
        DataError: one is missing, one too many, of another type or shape, negative, NaN or infinite.
    """
    forms = _forms(shapes, fixed)
    for name in sorted(forms.keys() | moments.keys()):
        if name not in forms:
            raise DataError(f"{where}: damaged; {shortened(name)} belongs to no weight that is trained")
        if name not in moments:
            raise DataError(f"{where}: damaged; {shortened(name)} is missing")
        moment, form = moments[name], forms[name]
        if (moment.dtype.name, moment.shape) != form:
            raise DataError(
                f"{where}: damaged; {shortened(name)} is {moment.dtype.name} {moment.shape}, but the weights "
                f"want {form[0]} {form[1]}"
            )
        if not (moment >= 0).all() or not np.isfinite(moment).all():
            raise DataError(f"{where}: damaged; {shortened(name)} has values that are negative, NaN or infinite")
    if moments[STEPS][0] > MOST_STEPS:
        raise DataError(f"{where}: damaged; {STEPS} is {moments[STEPS][0]}; expected at most {MOST_STEPS}")


def _forms(shapes: Mapping[str, tuple[int, ...]], fixed: Iterable[str]) -> dict[str, _Form]:
    """The type and shape of every tensor of the file, by name."""
    forms: dict[str, _Form] = {STEPS: ("int64", (1,))}
    for name in shapes.keys() - set(fixed):
        shape = shapes[name]
        if len(shape) < 2:
            forms[name] = ("float32", shape)
        else:
            forms |= {name + ROWS: ("float32", shape[:1]), name + COLUMNS: ("float32", shape[1:])}
    return forms
