"""LSTM models of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from random_networks import clusters_of, drawn

from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def make_sizes() -> Callable[..., LSTMSizes]:
    """`make_sizes(layers=2, tied=False, adaptive=False, ...)`: vocabulary 9, E 3 (H if tied), H 4."""

    def make(
        *,
        layers: int = 2,
        tied: bool = False,
        embedding_dim: int | None = None,
        hidden_units: int = 4,
        vocabulary_size: int = 9,
        adaptive: bool = False,
    ) -> LSTMSizes:
        embedding_dim = embedding_dim or (hidden_units if tied else 3)
        dim = embedding_dim if tied else hidden_units
        clusters = clusters_of(vocabulary_size, dim, *(((2, 2), (2, 1)) if adaptive else ()))
        return LSTMSizes(
            vocabulary_size=vocabulary_size,
            embedding_dim=embedding_dim,
            hidden_units=hidden_units,
            layers=layers,
            tied=tied,
            clusters=clusters,
        )

    return make


@pytest.fixture(scope="session")
def make_model(make_sizes: Callable[..., LSTMSizes]) -> Callable[..., LSTMLanguageModel]:
    """`make_model(...)`: the runtime with random weights; options are those of `make_sizes`."""

    def make(**options: Any) -> LSTMLanguageModel:
        sizes = make_sizes(**options)
        return LSTMLanguageModel(sizes, drawn(weight_shapes(sizes), seed=5))

    return make
