"""Masked models of any size, small ones by default, and the formula of one written out plainly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from plain_transformer import RARE, SHAPE, hidden_vectors
from random_networks import clusters_of, drawn

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.masked.sizes import MaskedSizes
from lmctl.families.masked.weights import weight_shapes
from lmctl.layers.embedding import WordVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array


def plain_hidden(
    sizes: MaskedSizes, weights: Mapping[str, Float32Array], token_ids: list[int], gaps: tuple[int, ...] = ()
) -> Any:
    """The vectors that the softmax reads, (T, D), in float64; a gap has the learned vector."""

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
    return hidden_vectors(sizes, weights, vectors, seen_from, "masked")


@pytest.fixture
def make_sizes() -> Callable[..., MaskedSizes]:
    """`make_sizes(adaptive=, layers=, ...)`: sizes of a small network; the other arguments replace fields."""

    def make(*, adaptive: bool = False, **changed: Any) -> MaskedSizes:
        fields = SHAPE | {"context": 16} | changed
        clusters = clusters_of(fields["vocabulary_size"], fields["hidden_units"], *(RARE if adaptive else ()))
        return MaskedSizes(clusters=clusters, **fields)

    return make


@pytest.fixture
def make_weights() -> Callable[..., dict[str, Float32Array]]:
    """`make_weights(sizes, scale=, seed=)`: random weights."""

    def make(sizes: MaskedSizes, scale: float = 0.5, seed: int = 4) -> dict[str, Float32Array]:
        return drawn(weight_shapes(sizes), seed=seed, scale=scale)

    return make


@pytest.fixture
def hidden_plainly() -> Callable[..., Any]:
    """`hidden_plainly(sizes, weights, token_ids, gaps)`: see `plain_hidden`."""
    return plain_hidden
