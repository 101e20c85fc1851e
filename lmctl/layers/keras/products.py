"""Matrix products in a chosen precision."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def product(left: Any, right: Any, dtype: str, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The product of two matrices as float32, with the factors rounded to `dtype`."""
    left, right = tf.cast(left, dtype), tf.cast(right, dtype)
    return tf.cast(tf.matmul(left, right, transpose_a=transpose_a, transpose_b=transpose_b), tf.float32)
