"""Attention in Keras: causal, over a segment and the memory of the positions before it; or within sentences.

`layers/attention.py` is the same in NumPy, for queries. Axes: B batch, T time (positions of the segment), M
positions in the memory, A heads, K elements of a head's vectors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from lmctl.layers.keras.products import product
from lmctl.layers.positions import rotary_frequencies

if TYPE_CHECKING:
    from collections.abc import Callable

# Added to the score of a position that is not seen: its weight is 0 in float32.
HIDDEN = -1e9


def attend(
    queries: Any, keys: Any, values: Any, bias: Any, *, dtype: str, drop: Callable[[Any], Any] = lambda x: x
) -> Any:
    """The output of the heads, (B, A, T, K).

    Args:
        queries: (B, A, T, K).
        keys: keys of the memory and of the segment, (B, A, M + T, K).
        values: values of the same positions, (B, A, M + T, K).
        bias: added to the scores; its shape broadcasts to (B, A, T, M + T).
        dtype: type of the factors of matrix products.
        drop: the dropout of the weights, (B, A, T, M + T).
    """
    scores = product(queries * (1 / math.sqrt(queries.shape[-1])), keys, dtype, transpose_b=True)
    return product(drop(tf.nn.softmax(scores + bias)), values, dtype)


def causal_bias(steps: int, remembered: int, context: int, slopes: Any = None) -> Any:
    """The bias of a segment's scores that hides the positions that are not seen, (T, M + T) or (A, T, M + T).

    A position sees itself and the `context` - 1 positions before it.

    Args:
        steps: T, a number or a tensor.
        remembered: M.
        context: number of positions that a position sees.
        slopes: reduction of a score for each position of distance, (A,); None: 0.
    """
    distances = tf.range(steps)[:, None] + remembered - tf.range(remembered + steps)
    seen = (distances >= 0) & (distances < context)
    penalties = tf.zeros_like(distances, tf.float32)
    if slopes is not None:
        penalties = tf.constant(slopes, tf.float32)[:, None, None] * tf.cast(distances, tf.float32)
    return tf.where(seen, -penalties, HIDDEN)


def memory_bias(read: Any, remembered: int, steps: int) -> Any:
    """The bias that hides the places of the memory at which a column has read nothing, (B, 1, 1, M + T).

    Args:
        read: number of positions that each column has read before the segment, (B,).
        remembered: M.
        steps: T, a number or a tensor.
    """
    first_read = tf.maximum(remembered - read, 0)
    hidden = tf.range(remembered + steps) < first_read[:, None]
    return tf.where(hidden, HIDDEN, 0.0)[:, None, None]


def sentence_bias(is_end: Any, context: int) -> Any:
    """The bias that hides all but a word's own sentence, (B, 1, T, T).

    `layers.attention.seen_within_sentences` states the rule.

    Args:
        is_end: whether each position has a `</s>`, (B, T) bool.
        context: positions farther apart than `context` - 1 do not see each other.
    """
    ends = tf.cast(is_end, tf.int32)
    sentence = tf.cumsum(ends, axis=1, exclusive=True)
    of_query, of_key = sentence[:, :, None], sentence[:, None]
    seen = (of_key == of_query) | (is_end[:, None] & (of_key == of_query - 1))
    places = tf.range(tf.shape(ends)[1])
    distances = tf.abs(places[:, None] - places)
    seen = (seen & ~is_end[:, :, None] & (distances < context)) | (distances == 0)
    return tf.where(seen, 0.0, HIDDEN)[:, None]


def rotate(vectors: Any, read: Any) -> Any:
    """The vectors of a segment, rotated by their positions; see `layers.positions.rotated`.

    Args:
        vectors: (B, A, T, K).
        read: the number of positions that each column has read before the segment, (B,).
    """
    places = tf.cast(read[:, None] + tf.range(tf.shape(vectors)[2]), tf.float64)
    # A float32 has too few digits for the angles of a long text.
    angles = places[:, None, :, None] * tf.constant(rotary_frequencies(vectors.shape[-1]))
    cosine, sine = tf.cast(tf.cos(angles), tf.float32), tf.cast(tf.sin(angles), tf.float32)
    first, second = tf.split(vectors, 2, axis=-1)
    return tf.concat([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
