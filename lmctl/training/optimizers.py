"""Optimizers by their configured names, all of them Keras's own."""

from __future__ import annotations

from typing import Any

import keras


def make_optimizer(name: str, learning_rate: float) -> Any:
    """A Keras optimizer with its published defaults but for the learning rate."""
    optimizers = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "adagrad": keras.optimizers.Adagrad,
        "rmsprop": keras.optimizers.RMSprop,
    }
    return optimizers[name](learning_rate=learning_rate)
