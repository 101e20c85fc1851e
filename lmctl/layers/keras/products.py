"""Matrix products in the precision that was asked for."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def product(left: Any, right: Any, dtype: str, *, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """A matrix product with its factors rounded to `dtype`, as float32."""
    left, right = tf.cast(left, dtype), tf.cast(right, dtype)
    return tf.cast(tf.matmul(left, right, transpose_a=transpose_a, transpose_b=transpose_b), tf.float32)
