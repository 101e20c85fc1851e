"""Linear recurrent models of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from random_networks import clusters_of, drawn

from lmctl.families.linearrnn.runtime import LinearRNNLanguageModel
from lmctl.families.linearrnn.sizes import LinearRNNSizes
from lmctl.families.linearrnn.weights import weight_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.layers.linear_cells import Cell


@pytest.fixture(scope="session")
def make_sizes() -> Callable[..., LinearRNNSizes]:
    """`make_sizes(cell="sru", layers=2, tied=False, adaptive=False, ...)`: vocabulary 9, E 3 (H if tied), H 4."""

    def make(
        *,
        cell: Cell = "sru",
        layers: int = 2,
        tied: bool = False,
        embedding_dim: int | None = None,
        hidden_units: int = 4,
        vocabulary_size: int = 9,
        adaptive: bool = False,
    ) -> LinearRNNSizes:
        embedding_dim = embedding_dim or (hidden_units if tied else 3)
        dim = embedding_dim if tied else hidden_units
        clusters = clusters_of(vocabulary_size, dim, *(((2, 2), (2, 1)) if adaptive else ()))
        return LinearRNNSizes(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_units=hidden_units,
            cell=cell,
            layers=layers,
            tied=tied,
            clusters=clusters,
        )

    return make


@pytest.fixture(scope="session")
def make_weights() -> Callable[..., dict[str, Any]]:
    """`make_weights(sizes)`: random weights by name."""

    def make(sizes: LinearRNNSizes, seed: int = 5, scale: float = 0.7) -> dict[str, Any]:
        return drawn(weight_shapes(sizes), seed=seed, scale=scale)

    return make


@pytest.fixture(scope="session")
def make_model(
    make_sizes: Callable[..., LinearRNNSizes], make_weights: Callable[..., dict[str, Any]]
) -> Callable[..., LinearRNNLanguageModel]:
    """`make_model(...)`: the runtime with random weights; options are those of `make_sizes`."""

    def make(**options: Any) -> LinearRNNLanguageModel:
        sizes = make_sizes(**options)
        return LinearRNNLanguageModel(sizes, make_weights(sizes))

    return make
