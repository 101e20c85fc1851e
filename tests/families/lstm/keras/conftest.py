"""Keras networks of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.layers.clusters import Cluster, one_cluster

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_network(cpu: None) -> Callable[..., Any]:
    """`make_network(layers=, tied=, adaptive=, embedding_dim=, ...)`; further options are shares of `Dropout`."""
    from lmctl.families.lstm.keras.network import Dropout, LSTMNetwork

    def make(
        *,
        layers: int = 1,
        tied: bool = False,
        adaptive: bool = False,
        embedding_dim: int = 3,
        hidden_units: int = 4,
        vocabulary_size: int = 7,
        init_scale: float = 0.1,
        seed: int = 1,
        precision: str = "float32",
        recurrence: str = "scan",
        **dropout: Any,
    ) -> LSTMNetwork:
        dim = embedding_dim if tied else hidden_units
        clusters = one_cluster(vocabulary_size, dim)
        if adaptive:
            clusters = [
                Cluster(words=vocabulary_size - 3, width=dim),
                Cluster(words=2, width=dim // 2),
                Cluster(words=1, width=1),
            ]
        sizes = LSTMSizes(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_units=hidden_units,
            layers=layers,
            tied=tied,
            clusters=clusters,
        )
        return LSTMNetwork(
            sizes,
            dropout=Dropout(**dropout),
            init_scale=init_scale,
            seed=seed,
            precision=precision,
            recurrence=recurrence,
        )

    return make
