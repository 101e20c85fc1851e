"""Dropout masks that follow from a seed, so that a resumed run draws the same masks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Masks:
    """Draws the random numbers of one step. They follow from the seed of the step and from the number of the draw.

    Args:
        seed: two integers; None: no dropout.
    """

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._place = 0

    def drop(self, values: Any, share: float, *, locked: bool = False) -> Any:
        """Apply dropout.

        Args:
            values: a tensor of any shape.
            share: dropout rate, 0 to 1. The values that are kept are divided by 1 - share.
            locked: whether the mask is the same at all places of the first axis.
        """
        shape = tf.shape(values)
        if locked:
            shape = tf.concat([[1], shape[1:]], axis=0)
        mask = self.draw(shape, share)
        return values if mask is None else values * mask

    def normal(self, shape: Any) -> Any:
        """Draw numbers from the standard normal distribution. There must be a seed."""
        place, self._place = self._place, self._place + 1
        return tf.random.stateless_normal(shape, tf.random.experimental.stateless_fold_in(self._seed, place))

    def draw(self, shape: Any, share: float) -> Any:
        """Draw a mask: 0 at a share of the places, 1 / (1 - share) at the others. None: no dropout."""
        place, self._place = self._place, self._place + 1
        if self._seed is None or not share:
            return None
        draws = tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(self._seed, place))
        return tf.cast(draws >= share, tf.float32) / (1.0 - share)
