"""Linear recurrent networks as their papers write them, one context at a time, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.families.linearrnn.sizes import LinearRNNSizes


def plain_outputs(sizes: LinearRNNSizes, weights: Mapping[str, Any], token_ids: Sequence[int]) -> Any:
    """Outputs of the last layer after each token, (T, H), with an embedding in one table."""
    vectors = [weights["embedding"][token].astype(np.float64) for token in token_ids]
    for layer in range(sizes.layers):
        kernel, bias = (weights[f"linear.{layer}.{part}"].astype(np.float64) for part in ("kernel", "bias"))
        vectors = CELLS[sizes.cell](vectors, kernel, bias, sizes.hidden_units)
    return np.array(vectors)


def sru(inputs: Sequence[Any], kernel: Any, bias: Any, units: int) -> list[Any]:
    """Lei et al. 2018, equations 1 to 4, with gates that do not read the state."""
    state, outputs = np.zeros(units), []
    for x in inputs:
        candidate, forget, reset, *projected = _blocks(x @ kernel + bias, units)
        forget, reset = _sigmoid(forget), _sigmoid(reset)
        state = forget * state + (1 - forget) * candidate
        outputs.append(reset * state + (1 - reset) * (projected[0] if projected else x))
    return outputs


def qrnn(inputs: Sequence[Any], kernel: Any, bias: Any, units: int) -> list[Any]:
    """Bradbury et al. 2017, section 2.1: fo-pooling, filters of width 2."""
    state, before, outputs = np.zeros(units), np.zeros_like(inputs[0]), []
    for x in inputs:
        candidate, forget, output = _blocks(np.concatenate([before, x]) @ kernel + bias, units)
        state = _sigmoid(forget) * state + (1 - _sigmoid(forget)) * np.tanh(candidate)
        outputs.append(_sigmoid(output) * state)
        before = x
    return outputs


def mingru(inputs: Sequence[Any], kernel: Any, bias: Any, units: int) -> list[Any]:
    """Feng et al. 2024, section 3.1.3, whose z is 1 - f here, and a residual connection."""
    state, outputs = np.zeros(units), []
    for x in inputs:
        candidate, forget, *projected = _blocks(x @ kernel + bias, units)
        z = 1 - _sigmoid(forget)
        state = (1 - z) * state + z * candidate
        outputs.append(state + (projected[0] if projected else x))
    return outputs


CELLS = {"sru": sru, "qrnn": qrnn, "mingru": mingru}


def _blocks(values: Any, units: int) -> list[Any]:
    return [values[first : first + units] for first in range(0, len(values), units)]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))
