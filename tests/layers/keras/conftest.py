"""Word vectors in Keras, in any clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lmctl.layers.clusters import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def make_vectors(cpu: None) -> Callable[..., Any]:
    """`make_vectors((words, width), ..., scale=, shared=)`: word vectors, normally distributed."""
    import keras

    from lmctl.layers.keras.embedding import WordVectors

    def make(*clusters: tuple[int, int], scale: float = 1.0, seed: int = 1, shared: bool = False) -> WordVectors:
        seeds = iter(range(seed, seed + len(clusters)))
        return WordVectors(
            [Cluster(words=words, width=width) for words, width in clusters],
            initializer=lambda: keras.initializers.RandomNormal(stddev=scale, seed=next(seeds)),
            seed=seed,
            name="embedding",
            shared=shared,
        )

    return make
