"""Random initial weights that follow from one seed."""

from __future__ import annotations

from typing import Any

import keras

SEEDS_OF_A_NETWORK = 1000


class InitialWeights:
    """Makes the initializers of the weights of a network. Each gets the next of a series of seeds.

    Args:
        seed: the seed of the network.
        scale: word vectors are drawn uniformly from [-scale, scale].
    """

    def __init__(self, seed: int, scale: float) -> None:
        self._seeds = iter(range(seed * SEEDS_OF_A_NETWORK, (seed + 1) * SEEDS_OF_A_NETWORK))
        self._scale = scale

    def seed(self) -> int:
        """The next seed."""
        return next(self._seeds)

    def uniform(self) -> Any:
        """An initializer of word vectors."""
        return keras.initializers.RandomUniform(-self._scale, self._scale, seed=self.seed())
