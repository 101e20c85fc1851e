"""A variational autoencoder that is small enough to write out: seven words, three codes, two decoder layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lmctl.families.vae.sizes import VAESizes
from lmctl.families.vae.weights import weight_shapes
from lmctl.layers.clusters import Cluster, one_cluster

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.arrays import Float32Array


@pytest.fixture
def make_sizes() -> Callable[..., VAESizes]:
    """`make_sizes(codes=, layers=, adaptive=, tied=)`: sizes of a small model."""

    def make(*, codes: int = 3, layers: int = 2, adaptive: bool = False, tied: bool = False) -> VAESizes:
        units = 4
        clusters = one_cluster(7, units)
        if adaptive:
            clusters = [Cluster(words=4, width=units), Cluster(words=2, width=2), Cluster(words=1, width=1)]
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
        generator = np.random.default_rng(4)
        return {
            name: generator.normal(scale=0.8, size=shape).astype(np.float32)
            for name, shape in weight_shapes(sizes).items()
        }

    return make
