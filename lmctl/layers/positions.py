"""Positions in attention, in NumPy: rotary vectors, or a penalty that grows with the distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray

Positions = Literal["rotary", "alibi"]

# Wavelengths of rotary positions rise from 2 pi to about 2 pi times this (Su et al. 2021, section 3.2.2).
ROTARY_BASE = 10_000.0


def rotary_frequencies(head_dim: int) -> Float64Array:
    """The angle by which each pair of elements is rotated from one position to the next, in radians, (K / 2,)."""
    return ROTARY_BASE ** (-np.arange(0, head_dim, 2) / head_dim)


def rotated(vectors: Float32Array, places: IntArray) -> Float32Array:
    """Rotate the pairs of elements of vectors by an angle that grows with the position.

    The product of a query at position m and a key at position n then depends on m - n alone (Su et al. 2021,
    arXiv:2104.09864, equation 16). Element i makes a pair with element i + K / 2.

    Args:
        vectors: (B, T, A, K); K is even.
        places: the position of each vector, (B, T).
    """
    half = vectors.shape[-1] // 2
    angles = places[:, :, None, None] * rotary_frequencies(vectors.shape[-1])
    cosine, sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    first, second = vectors[..., :half], vectors[..., half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)


def alibi_slopes(heads: int) -> Float64Array:
    """The reduction of a score for each position of distance, (A,): attention with linear biases.

    It is a geometric sequence that begins at 2^(-8 / A) and ends at 2^-8 (Press, Smith & Lewis 2022,
    arXiv:2108.12409, section 3).
    """
    return 2.0 ** (-8.0 * np.arange(1, heads + 1) / heads)
