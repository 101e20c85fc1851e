"""Models without training: one with random weights, and one in which all words are equally probable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lmctl.query.model import Model
from lmctl.store.bundle import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def make_model(tmp_path: Path, make_bundle: Callable[..., Path]) -> Callable[..., Model]:
    """`make_model(...)`: a model with random weights; arguments as of `make_bundle`, but no folder."""

    def make(**options: object) -> Model:
        return Model(open_bundle(make_bundle(tmp_path / f"bundle-{len(list(tmp_path.iterdir()))}", **options)))

    return make


@pytest.fixture
def model(make_model: Callable[..., Model]) -> Model:
    """The words the, cat, sat, on, mat, dog and `.`, and random weights."""
    return make_model()


@pytest.fixture
def uniform(make_model: Callable[..., Model]) -> Model:
    """All weights zero: each of the nine tokens has the probability 1/9 everywhere."""
    return make_model(scale=0.0)
