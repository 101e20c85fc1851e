"""Optimizers by their configured names, all of them Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def make_optimizer(name: str, learning_rate: float) -> Any:
    """A Keras optimizer with its published defaults but for the learning rate."""
    optimizers = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "adagrad": keras.optimizers.Adagrad,
        "rmsprop": keras.optimizers.RMSprop,
    }
    return optimizers[name](learning_rate=learning_rate)


def summed_rows(gradient: Any) -> Any:
    """A gradient in which each row of an embedding stands once.

    TensorFlow's gradient of an embedding has a row for every token that was read. The norm of the gradient and all
    optimizers but sgd square it, and would square the rows of a word one by one in place of their sum.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)
