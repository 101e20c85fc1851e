"""Reading the weights of a bundle, with a check of their names and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.layers.word_layers import count_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array
    from lmctl.families.base import BundleFiles


def checked_weights(bundle: BundleFiles, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Float32Array]:
    """Read all weights of a bundle, float32, by name.

    Args:
        bundle: the bundle.
        expected: names and shapes of the weights of its family.

    Raises:
        DataError: a weight is missing, one too many, not float32, or of a shape that does not fit.
    """
    weights = bundle.weights(count_numbers(expected))
    for name in expected.keys() | weights.keys():
        if name not in weights or name not in expected:
            presence = "not one of this family" if name in weights else "missing"
            raise DataError(f"{bundle.weights_path}: weight {name} is {presence}")
        if weights[name].shape != expected[name] or weights[name].dtype != "float32":
            raise DataError(
                f"{bundle.weights_path}: weight {name} is {weights[name].dtype} {weights[name].shape}, "
                f"but the sizes in model.json want float32 {expected[name]}"
            )
    return weights
