"""Keras networks of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_network(cpu: None, make_sizes: Callable[..., Any]) -> Callable[..., Any]:
    """`make_network(seed=, precision=, dropout={}, ...)`; further options are those of `make_sizes`."""
    from lmctl.families.transformer.keras.network import Dropout, TransformerNetwork

    def make(
        *,
        seed: int = 1,
        init_scale: float = 0.1,
        precision: str = "float32",
        dropout: dict[str, float] | None = None,
        **sizes: Any,
    ) -> TransformerNetwork:
        return TransformerNetwork(
            make_sizes(**sizes),
            dropout=Dropout(**dropout or {}),
            init_scale=init_scale,
            seed=seed,
            precision=precision,
        )

    return make
