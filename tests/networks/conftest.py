"""Keras networks of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lmctl.store.bundle import LSTMSizes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_network(cpu: None) -> Callable[..., Any]:
    """`make_network(layers=, tied=, embedding_dim=, hidden_units=, vocabulary_size=, ...)`."""
    from lmctl.networks.lstm import LSTMNetwork

    def make(
        *,
        layers: int = 1,
        tied: bool = False,
        embedding_dim: int = 3,
        hidden_units: int = 4,
        vocabulary_size: int = 7,
        dropout: float = 0.0,
        init_scale: float = 0.1,
        seed: int = 1,
        precision: str = "float32",
    ) -> LSTMNetwork:
        sizes = LSTMSizes(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_units=hidden_units,
            layers=layers,
            tied=tied,
        )
        return LSTMNetwork(sizes, dropout=dropout, init_scale=init_scale, seed=seed, precision=precision)

    return make
