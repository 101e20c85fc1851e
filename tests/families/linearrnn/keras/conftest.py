"""Linear recurrent networks of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_network(cpu: None, make_sizes: Callable[..., Any]) -> Callable[..., Any]:
    """`make_network(...)`: options of `make_sizes` and of `Dropout`, `seed`, `init_scale`, `precision`."""
    from lmctl.families.linearrnn.keras.network import Dropout, LinearRNNNetwork
    from lmctl.layers.keras.initial_weights import InitialWeights

    def make(
        *,
        seed: int = 1,
        init_scale: float = 0.1,
        precision: str = "float32",
        words: float = 0.0,
        inputs: float = 0.0,
        outputs: float = 0.0,
        zoneout: float = 0.0,
        **sizes: Any,
    ) -> LinearRNNNetwork:
        return LinearRNNNetwork(
            make_sizes(**sizes),
            dropout=Dropout(words=words, inputs=inputs, outputs=outputs, zoneout=zoneout),
            initial=InitialWeights(seed, init_scale),
            precision=precision,
        )

    return make
