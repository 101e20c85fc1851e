"""The form of moments.safetensors."""

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.store.moments import MOST_STEPS, check_moments

SHAPES = {"table": (3, 2), "bias": (3,), "fixed": (3,)}


def kept(**changes):
    """Moments that fit SHAPES, with changes; None leaves one out."""
    moments = {
        "steps": np.array([7]),
        "table/rows": np.ones(3, np.float32),
        "table/columns": np.ones(2, np.float32),
        "bias": np.zeros(3, np.float32),
    }
    return {name: moment for name, moment in (moments | changes).items() if moment is not None}


def test_moments_that_fit_the_weights_are_taken():
    check_moments(kept(), SHAPES, {"fixed"}, "moments")
    check_moments(kept(steps=np.array([MOST_STEPS])), SHAPES, {"fixed"}, "moments")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": None}, "bias is missing"),
        ({"steps": None}, "steps is missing"),
        ({"table/columns": None}, "table/columns is missing"),
        ({"fixed": np.ones(3, np.float32)}, "fixed belongs to no weight that is trained"),
        ({"table": np.ones((3, 2), np.float32)}, "table belongs to no weight that is trained"),
        ({"bias": np.ones(2, np.float32)}, r"bias is float32 \(2,\), but the weights want float32 \(3,\)"),
        ({"table/rows": np.ones((3, 1), np.float32)}, r"table/rows is float32 \(3, 1\), but .* float32 \(3,\)"),
        ({"bias": np.ones(3)}, r"bias is float64 \(3,\), but the weights want float32 \(3,\)"),
        ({"bias": np.ones(3, np.int64)}, r"bias is int64 \(3,\), but the weights want float32 \(3,\)"),
        ({"steps": np.array([7], np.float32)}, r"steps is float32 \(1,\), but the weights want int64 \(1,\)"),
        ({"steps": np.array(7)}, r"steps is int64 \(\), but the weights want int64 \(1,\)"),
        ({"steps": np.array([-1])}, "steps has values that are negative, NaN or infinite"),
        ({"steps": np.array([MOST_STEPS + 1])}, "steps is 9007199254740993; expected at most 9007199254740992"),
        ({"bias": np.array([0, -1, 0], np.float32)}, "bias has values that are negative, NaN or infinite"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "bias has values that are negative, NaN or infinite"),
        ({"table/rows": np.array([0, np.inf, 0], np.float32)}, "table/rows has values that are negative, NaN"),
    ],
)
def test_moments_that_do_not_fit_the_weights_are_refused(changes, message):
    with pytest.raises(DataError, match=f"^moments: damaged; {message}"):
        check_moments(kept(**changes), SHAPES, {"fixed"}, "moments")
