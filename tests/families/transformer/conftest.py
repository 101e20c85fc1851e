"""Transformers of any size, small ones by default, and a plain implementation of the formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from plain_transformer import RARE, SHAPE, hidden_vectors
from random_networks import clusters_of, drawn

from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.transformer.weights import weight_shapes
from lmctl.layers.embedding import WordVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array


def plain_hidden(sizes: TransformerSizes, weights: Mapping[str, Float32Array], token_ids: list[int]) -> Any:
    """The inputs of the softmax, (T, D), with attention over the whole text in float64."""
    vectors = WordVectors("embedding", sizes.word_layers.input_clusters, weights)(np.array(token_ids))
    return hidden_vectors(
        sizes, weights, vectors, lambda time: range(max(0, time - sizes.context + 1), time + 1), "transformer"
    )


@pytest.fixture
def make_sizes() -> Callable[..., TransformerSizes]:
    """`make_sizes(adaptive=, layers=, ...)`: sizes of a small network; the other arguments replace fields."""

    def make(*, adaptive: bool = False, **changed: Any) -> TransformerSizes:
        fields = SHAPE | {"context": 4, "positions": "alibi"} | changed
        clusters = clusters_of(fields["vocabulary_size"], fields["hidden_units"], *(RARE if adaptive else ()))
        return TransformerSizes(clusters=clusters, **fields)

    return make


@pytest.fixture
def make_weights() -> Callable[..., dict[str, Float32Array]]:
    """`make_weights(sizes, scale=, seed=)`: random weights."""

    def make(sizes: TransformerSizes, scale: float = 0.5, seed: int = 4) -> dict[str, Float32Array]:
        return drawn(weight_shapes(sizes), seed=seed, scale=scale)

    return make


@pytest.fixture
def hidden_of_whole_text() -> Callable[..., Any]:
    """`hidden_of_whole_text(sizes, weights, token_ids)`: see `plain_hidden`."""
    return plain_hidden
