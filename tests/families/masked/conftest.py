"""Masked models of any size, small ones by default, and the formula of one written out plainly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.masked.sizes import MaskedSizes
from lmctl.families.masked.weights import weight_shapes
from lmctl.layers.clusters import Cluster, one_cluster
from lmctl.layers.embedding import WordVectors
from lmctl.layers.positions import rotary_frequencies
from lmctl.layers.transformer_layer import NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array


def small_sizes(*, adaptive: bool = False, **changed: Any) -> MaskedSizes:
    """Sizes of a small network; `changed` are fields that differ."""
    fields = {
        "vocabulary_size": 9,
        "hidden_units": 8,
        "layers": 2,
        "heads": 2,
        "feedforward_units": 10,
        "context": 16,
        "tied": True,
    } | changed
    size, units = fields["vocabulary_size"], fields["hidden_units"]
    clusters = one_cluster(size, units)
    if adaptive:
        clusters = [Cluster(words=size - 4, width=units), Cluster(words=3, width=2), Cluster(words=1, width=1)]
    return MaskedSizes(clusters=clusters, **fields)


def drawn_weights(sizes: MaskedSizes, scale: float = 0.5, seed: int = 4) -> dict[str, Float32Array]:
    """Random weights of a network."""
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(scale=scale, size=shape).astype(np.float32)
        for name, shape in weight_shapes(sizes).items()
    }


def plain_hidden(
    sizes: MaskedSizes, weights: Mapping[str, Float32Array], token_ids: list[int], gaps: tuple[int, ...] = ()
) -> Any:
    """The vectors that the softmax reads, (T, D), in float64; a gap has the learned vector."""

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x * x).mean() + NORM_EPSILON) * weights[name].astype(np.float64)

    def turned(x: Any, place: int) -> Any:
        pairs = (x[: len(x) // 2] + 1j * x[len(x) // 2 :]) * np.exp(1j * place * rotary_frequencies(len(x)))
        return np.concatenate([pairs.real, pairs.imag])

    def seen_from(time: int) -> list[int]:
        """From the `</s>` before a word to the `</s>` after it; a `</s>` sees itself."""
        ends = [i for i, each in enumerate(token_ids) if each == SENTENCE_END_ID and i not in gaps]
        if time in ends:
            return [time]
        first = max((end for end in ends if end < time), default=0)
        last = min((end for end in ends if end > time), default=len(token_ids) - 1)
        return list(range(first, last + 1))

    vectors = WordVectors("embedding", sizes.word_layers.input_clusters, weights)(np.array(token_ids))
    vectors[list(gaps)] = weights["masked.mask"]
    hidden = [x.astype(np.float64) * math.sqrt(sizes.hidden_units) for x in vectors]
    for layer in range(sizes.layers):
        name = f"masked.{layer}"
        kernels = {key: weights[f"{name}.{key}"].astype(np.float64) for key in KERNELS}
        parts = [norm(x, f"{name}.attention.norm") @ kernels["attention.queries_keys_values"] for x in hidden]
        heads = [part.reshape(3, sizes.heads, sizes.head_dim) for part in parts]
        attended = []
        for time in range(len(hidden)):
            answer = np.zeros((sizes.heads, sizes.head_dim))
            for head in range(sizes.heads):
                seen = seen_from(time)
                query = turned(heads[time][0, head], time)
                scores = np.array([query @ turned(heads[place][1, head], place) for place in seen])
                odds = np.exp((scores - scores.max()) / math.sqrt(sizes.head_dim))
                answer[head] = sum(odd * heads[place][2, head] for odd, place in zip(odds, seen, strict=True))
                answer[head] /= odds.sum()
            attended.append(hidden[time] + answer.ravel() @ kernels["attention.output"])
        hidden = []
        for x in attended:
            gates, units = np.split(norm(x, f"{name}.feedforward.norm") @ kernels["feedforward.gates_units"], 2)
            hidden.append(x + (gates / (1 + np.exp(-gates)) * units) @ kernels["feedforward.output"])
    return np.stack([norm(x, "masked.norm") for x in hidden])


KERNELS = (
    "attention.queries_keys_values",
    "attention.output",
    "feedforward.gates_units",
    "feedforward.output",
)


@pytest.fixture
def make_sizes() -> Callable[..., MaskedSizes]:
    """`make_sizes(adaptive=, layers=, ...)`: see `small_sizes`."""
    return small_sizes


@pytest.fixture
def make_weights() -> Callable[..., dict[str, Float32Array]]:
    """`make_weights(sizes, scale=, seed=)`: see `drawn_weights`."""
    return drawn_weights


@pytest.fixture
def hidden_plainly() -> Callable[..., Any]:
    """`hidden_plainly(sizes, weights, token_ids, gaps)`: see `plain_hidden`."""
    return plain_hidden
