"""Keras networks of any size, small ones by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_network(cpu: None, make_sizes: Callable[..., Any]) -> Callable[..., Any]:
    """`make_network(seed=, precision=, mask_rate=, dropout={}, ...)`; other options are those of `make_sizes`."""
    from lmctl.families.masked.keras.network import Dropout, MaskedNetwork

    def make(
        *,
        seed: int = 1,
        init_scale: float = 0.1,
        precision: str = "float32",
        mask_rate: float = 0.3,
        scores_unknown: bool = True,
        dropout: dict[str, float] | None = None,
        **sizes: Any,
    ) -> MaskedNetwork:
        return MaskedNetwork(
            make_sizes(**sizes),
            mask_rate=mask_rate,
            dropout=Dropout(**dropout or {}),
            scores_unknown=scores_unknown,
            init_scale=init_scale,
            seed=seed,
            precision=precision,
        )

    return make
