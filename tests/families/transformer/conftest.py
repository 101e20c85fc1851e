"""Transformers of any size, small ones by default, and a plain implementation of the formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.transformer.weights import weight_shapes
from lmctl.layers.clusters import Cluster, one_cluster
from lmctl.layers.embedding import WordVectors
from lmctl.layers.positions import alibi_slopes, rotary_frequencies
from lmctl.layers.transformer_layer import NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array


def small_sizes(*, adaptive: bool = False, **changed: Any) -> TransformerSizes:
    """Sizes of a small network; `changed` replaces fields."""
    fields = {
        "vocabulary_size": 9,
        "hidden_units": 8,
        "layers": 2,
        "heads": 2,
        "feedforward_units": 10,
        "context": 4,
        "positions": "alibi",
        "tied": True,
    } | changed
    size, units = fields["vocabulary_size"], fields["hidden_units"]
    clusters = one_cluster(size, units)
    if adaptive:
        clusters = [Cluster(words=size - 4, width=units), Cluster(words=3, width=2), Cluster(words=1, width=1)]
    return TransformerSizes(clusters=clusters, **fields)


def drawn_weights(sizes: TransformerSizes, scale: float = 0.5, seed: int = 4) -> dict[str, Float32Array]:
    """Random weights of a network."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(scale=scale, size=shape).astype(np.float32)
        for name, shape in weight_shapes(sizes).items()
    }


def plain_hidden(sizes: TransformerSizes, weights: Mapping[str, Float32Array], token_ids: list[int]) -> Any:
    """The inputs of the softmax, (T, D), with attention over the whole text in float64."""

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x * x).mean() + NORM_EPSILON) * weights[name].astype(np.float64)

    def turned(x: Any, place: int) -> Any:
        if sizes.positions == "alibi":
            return x
        pairs = (x[: len(x) // 2] + 1j * x[len(x) // 2 :]) * np.exp(1j * place * rotary_frequencies(len(x)))
        return np.concatenate([pairs.real, pairs.imag])

    vectors = WordVectors("embedding", sizes.word_layers.input_clusters, weights)
    hidden = [x.astype(np.float64) * math.sqrt(sizes.hidden_units) for x in vectors(np.array(token_ids))]
    for layer in range(sizes.layers):
        name = f"transformer.{layer}"
        kernels = {key: weights[f"{name}.{key}"].astype(np.float64) for key in KERNELS}
        parts = [norm(x, f"{name}.attention.norm") @ kernels["attention.queries_keys_values"] for x in hidden]
        heads = [part.reshape(3, sizes.heads, sizes.head_dim) for part in parts]
        attended = []
        for time in range(len(hidden)):
            answer = np.zeros((sizes.heads, sizes.head_dim))
            for head in range(sizes.heads):
                seen = range(max(0, time - sizes.context + 1), time + 1)
                query = turned(heads[time][0, head], time)
                scores = np.array([query @ turned(heads[place][1, head], place) for place in seen])
                scores /= math.sqrt(sizes.head_dim)
                if sizes.positions == "alibi":
                    scores -= alibi_slopes(sizes.heads)[head] * (time - np.array(seen))
                odds = np.exp(scores - scores.max())
                answer[head] = sum(odd * heads[place][2, head] for odd, place in zip(odds, seen, strict=True))
                answer[head] /= odds.sum()
            attended.append(hidden[time] + answer.ravel() @ kernels["attention.output"])
        hidden = []
        for x in attended:
            gates, units = np.split(norm(x, f"{name}.feedforward.norm") @ kernels["feedforward.gates_units"], 2)
            hidden.append(x + (gates / (1 + np.exp(-gates)) * units) @ kernels["feedforward.output"])
    return np.stack([norm(x, "transformer.norm") for x in hidden])


KERNELS = (
    "attention.queries_keys_values",
    "attention.output",
    "feedforward.gates_units",
    "feedforward.output",
)


@pytest.fixture
def make_sizes() -> Callable[..., TransformerSizes]:
    """`make_sizes(adaptive=, layers=, ...)`: see `small_sizes`."""
    return small_sizes


@pytest.fixture
def make_weights() -> Callable[..., dict[str, Float32Array]]:
    """`make_weights(sizes, scale=, seed=)`: see `drawn_weights`."""
    return drawn_weights


@pytest.fixture
def hidden_of_whole_text() -> Callable[..., Any]:
    """`hidden_of_whole_text(sizes, weights, token_ids)`: see `plain_hidden`."""
    return plain_hidden
