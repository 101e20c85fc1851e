"""Tensors with time as their first axis, and arrays that a loop over time reads and writes."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def times(values: Any) -> tuple[Any, Any]:
    """T and B: numbers if they are known while the graph is built, as XLA requires; else tensors."""
    there = tf.unstack(tf.shape(values)[:2])
    return tuple(known or found for known, found in zip(values.shape[:2], there, strict=True))


def rows(values: Any) -> Any:
    """(T, B, N) as one matrix, (T * B, N)."""
    return tf.reshape(values, (-1, values.shape[2]))


def by_time(rows: Any, like: Any) -> Any:
    """(T * B, N) with the T and B of another tensor, (T, B, N)."""
    return tf.reshape(rows, (*times(like), rows.shape[1]))


def array(values: Any) -> Any:
    """(T, ...) as an array that a loop reads one step at a time."""
    steps, _ = times(values)
    return tf.TensorArray(values.dtype, size=steps, element_shape=values.shape[1:]).unstack(values)


def empty(steps: Any, *shape: int | None) -> Any:
    """An empty array that a loop writes one step at a time."""
    return tf.TensorArray(tf.float32, size=steps, element_shape=shape)
