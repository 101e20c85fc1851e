"""Feed-forward models of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from random_networks import clusters_of, drawn

from lmctl.families.feedforward.runtime import FeedForwardLanguageModel
from lmctl.families.feedforward.sizes import FeedForwardSizes
from lmctl.families.feedforward.weights import weight_shapes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def make_sizes() -> Callable[..., FeedForwardSizes]:
    """`make_sizes(order=3, tied=False, adaptive=False, direct=True, ...)`: vocabulary 9, E 3, H 4."""

    def make(
        *,
        order: int = 3,
        tied: bool = False,
        adaptive: bool = False,
        direct: bool = True,
        vocabulary_size: int = 9,
        embedding_dim: int = 3,
        hidden_units: int = 4,
    ) -> FeedForwardSizes:
        dim = embedding_dim if tied else hidden_units
        clusters = clusters_of(vocabulary_size, dim, *(((2, 2), (2, 1)) if adaptive else ()))
        return FeedForwardSizes(
            vocabulary_size=vocabulary_size,
            order=order,
            embedding_dim=embedding_dim,
            hidden_units=hidden_units,
            direct_connections=direct,
            tied=tied,
            clusters=clusters,
        )

    return make


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., dict[str, Any]]:
    """`make_weights(sizes)`: random weights by name."""

    def make(sizes: FeedForwardSizes, seed: int = 5, scale: float = 0.7) -> dict[str, Any]:
        return drawn(weight_shapes(sizes), seed=seed, scale=scale)

    return make


@pytest.fixture(scope="session")
def make_model(
    make_sizes: Callable[..., FeedForwardSizes], make_weights: Callable[..., dict[str, Any]]
) -> Callable[..., FeedForwardLanguageModel]:
    """`make_model(...)`: the runtime with random weights; options are those of `make_sizes`."""

    def make(**options: Any) -> FeedForwardLanguageModel:
        sizes = make_sizes(**options)
        return FeedForwardLanguageModel(sizes, make_weights(sizes))

    return make
