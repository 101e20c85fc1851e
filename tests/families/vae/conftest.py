"""A variational autoencoder that is small enough to write out: seven words, three codes, two decoder layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from random_networks import clusters_of, drawn

from lmctl.families.vae.sizes import VAESizes
from lmctl.families.vae.weights import weight_shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.arrays import Float32Array


@pytest.fixture
def make_sizes() -> Callable[..., VAESizes]:
    """`make_sizes(codes=, layers=, adaptive=, tied=)`: sizes of a small model."""

    def make(*, codes: int = 3, layers: int = 2, adaptive: bool = False, tied: bool = False) -> VAESizes:
        units = 4
        clusters = clusters_of(7, units, *(((2, 2), (1, 1)) if adaptive else ()))
        return VAESizes(
            vocabulary_size=7,
            embedding_dim=units if tied else 3,
            hidden_units=units,
            layers=layers,
            encoder_units=5,
            code_dim=2,
            codes=codes,
            tied=tied,
            clusters=clusters,
        )

    return make


@pytest.fixture
def sizes(make_sizes: Callable[..., VAESizes]) -> VAESizes:
    """Three codes, two layers."""
    return make_sizes()


@pytest.fixture
def make_weights() -> Callable[[VAESizes], dict[str, Float32Array]]:
    """`make_weights(sizes)`: random weights, so large that the codes have different answers."""

    def make(sizes: VAESizes) -> dict[str, Float32Array]:
        return drawn(weight_shapes(sizes), seed=4, scale=0.8)

    return make
