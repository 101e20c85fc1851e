"""The fixed codes of a variational autoencoder: a low-discrepancy sequence, mapped to a normal distribution.

The code of a sentence is the mean of the encoder's distribution for it. The normal distribution has the mean and
the deviation of the codes of the training sentences. So it is narrower than the aggregated posterior (Makhzani et
al. 2015, arXiv:1511.05644), whose variance also has the mean of the encoder's variances. docs/families.md compares
it with the prior.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array


# Names of the weights that hold the mean over sentences, and the natural log of the deviation, of each element.
CENTER, LOG_DEVIATION = "code.center", "code.log_deviation"


def fixed_codes(codes: int, weights: Mapping[str, Float32Array]) -> Float32Array:
    """The K codes of a model, (K, Z), each with weight 1 / K.

    Args:
        codes: K.
        weights: those of the model; `CENTER` and `LOG_DEVIATION` are used, (Z,) each.
    """
    center, deviation = weights[CENTER], np.exp(weights[LOG_DEVIATION]).astype(np.float32)
    found: Float32Array = center + deviation * prior_codes(codes, len(center))
    return found


def prior_codes(codes: int, code_dim: int) -> Float32Array:
    """K points that represent the standard normal distribution in Z dimensions, each with weight 1 / K.

    The points are those of the R-sequence (Roberts 2018, "The unreasonable effectiveness of quasirandom
    sequences"), a Kronecker sequence: point k is the fractional part of 1/2 + k / g^j in dimension j, for the root
    g > 1 of g^(Z + 1) = g + 1. The inverse of the normal distribution function maps them to the prior. Then every
    dimension is shifted and scaled, so that its mean is exactly that of the prior, 0, and its variance 1.

    Args:
        codes: K. A single code is the mean of the prior.
        code_dim: Z.

    Returns:
        The codes, (K, Z). They depend on K and Z alone.
    """
    ratio = 1.5
    for _ in range(64):
        ratio = (1 + ratio) ** (1 / (code_dim + 1))
    steps = ratio ** -np.arange(1.0, code_dim + 1)
    points = (0.5 + np.arange(1, codes + 1)[:, None] * steps) % 1.0
    quantile = NormalDist().inv_cdf
    found = np.array([[quantile(point) for point in row] for row in points.tolist()])
    found -= found.mean(axis=0)
    if codes > 1:
        found /= found.std(axis=0)
    return found.astype(np.float32)
