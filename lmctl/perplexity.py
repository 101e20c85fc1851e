"""Perplexities: exponentials of cross-entropies, or infinity if they are too large for a float."""

from __future__ import annotations

import math


def perplexity_of(cross_entropy_nats: float) -> float:
    """Return the perplexity of a cross-entropy in nats a token; infinite from about 709.8 nats."""
    try:
        return math.exp(cross_entropy_nats)
    except OverflowError:
        return math.inf


def perplexity_of_log10(cross_entropy_log10: float) -> float:
    """Return the perplexity of a cross-entropy in log10, as other toolkits do; infinite from about 308.3."""
    try:
        return math.pow(10.0, cross_entropy_log10)
    except OverflowError:
        return math.inf
