"""Dropout masks that follow from a seed, so that a run that was cut off draws the same ones again."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class Masks:
    """Draws the masks of one step, each from the step's seed and its place in the order of drawing.

    Args:
        seed: two integers; None: nothing is dropped.
    """

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._place = 0

    def drop(self, values: Any, share: float, *, locked: bool = False) -> Any:
        """Values with a share of them at zero, the others scaled up; `locked`: the same along the first axis."""
        shape = tf.shape(values)
        if locked:
            shape = tf.concat([[1], shape[1:]], axis=0)
        mask = self.draw(shape, share)
        return values if mask is None else values * mask

    def draw(self, shape: Any, share: float) -> Any:
        """Zero for a share of the places, else what makes up for them; None if nothing is dropped."""
        place, self._place = self._place, self._place + 1
        if self._seed is None or not share:
            return None
        draws = tf.random.stateless_uniform(shape, tf.random.experimental.stateless_fold_in(self._seed, place))
        return tf.cast(draws >= share, tf.float32) / (1.0 - share)
