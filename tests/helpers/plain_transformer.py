"""A Transformer written out in float64, position by position, to compare both implementations with.

The formulas are those at the head of `lmctl/layers/transformer_layer.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.layers.positions import alibi_slopes, rotary_frequencies
from lmctl.layers.transformer_layer import NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lmctl.arrays import Float32Array
    from lmctl.families.attention_sizes import AttentionSizes

SHAPE = {
    "vocabulary_size": 9,
    "hidden_units": 8,
    "layers": 2,
    "heads": 2,
    "feedforward_units": 10,
    "tied": True,
}
# The clusters after the first one, if the softmax is adaptive.
RARE = ((3, 2), (1, 1))
KERNELS = (
    "attention.queries_keys_values",
    "attention.output",
    "feedforward.gates_units",
    "feedforward.output",
)


def hidden_vectors(
    sizes: AttentionSizes,
    weights: Mapping[str, Float32Array],
    inputs: Float32Array,
    seen_from: Callable[[int], Sequence[int]],
    prefix: str,
) -> Any:
    """The vectors that the softmax reads, (T, D).

    Args:
        sizes: the dimensions. Positions are rotary, or else biases fall with the distance (ALiBi).
        weights: the weights by name.
        inputs: the vectors of the words, (T, D).
        seen_from: the positions that a position sees.
        prefix: the first part of the names of the weights.
    """

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x * x).mean() + NORM_EPSILON) * weights[f"{prefix}.{name}"].astype(np.float64)

    def turned(x: Any, place: int) -> Any:
        if not sizes.has_rotary_positions:
            return x
        pairs = (x[: len(x) // 2] + 1j * x[len(x) // 2 :]) * np.exp(1j * place * rotary_frequencies(len(x)))
        return np.concatenate([pairs.real, pairs.imag])

    hidden = [x.astype(np.float64) * math.sqrt(sizes.hidden_units) for x in inputs]
    for layer in range(sizes.layers):
        kernels = {key: weights[f"{prefix}.{layer}.{key}"].astype(np.float64) for key in KERNELS}
        parts = [norm(x, f"{layer}.attention.norm") @ kernels["attention.queries_keys_values"] for x in hidden]
        heads = [part.reshape(3, sizes.heads, sizes.head_dim) for part in parts]
        attended = []
        for time in range(len(hidden)):
            seen = seen_from(time)
            answer = np.zeros((sizes.heads, sizes.head_dim))
            for head in range(sizes.heads):
                query = turned(heads[time][0, head], time)
                scores = np.array([query @ turned(heads[place][1, head], place) for place in seen])
                scores /= math.sqrt(sizes.head_dim)
                if not sizes.has_rotary_positions:
                    scores -= alibi_slopes(sizes.heads)[head] * (time - np.array(seen))
                odds = np.exp(scores - scores.max())
                answer[head] = sum(odd * heads[place][2, head] for odd, place in zip(odds, seen, strict=True))
                answer[head] /= odds.sum()
            attended.append(hidden[time] + answer.ravel() @ kernels["attention.output"])
        hidden = []
        for x in attended:
            gates, units = np.split(norm(x, f"{layer}.feedforward.norm") @ kernels["feedforward.gates_units"], 2)
            hidden.append(x + (gates / (1 + np.exp(-gates)) * units) @ kernels["feedforward.output"])
    return np.stack([norm(x, "norm") for x in hidden])
