"""Random initial weights that follow from one seed."""

from __future__ import annotations

from typing import Any

import keras

SEEDS_OF_A_NETWORK = 1000


class InitialWeights:
    """Gives each weight of a network an initializer with a seed of its own, in the order in which it is asked.

    Args:
        seed: of the network.
        scale: word vectors start uniformly between minus this and this.
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
