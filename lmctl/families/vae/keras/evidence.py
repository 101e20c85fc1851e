"""The divergence of a sentence's code from the prior, and its weight in the training loss."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf


def divergence(mean: Any, log_variance: Any) -> Any:
    """The Kullback-Leibler divergence of a normal distribution from the standard one, of each element, in nats.

    Kingma & Welling 2014, "Auto-encoding variational Bayes" (arXiv:1312.6114), appendix B.

    Args:
        mean: of any shape.
        log_variance: natural log of the variance, of the same shape.
    """
    return 0.5 * (tf.exp(log_variance) + mean * mean - 1.0 - log_variance)


def penalty(divergences: Any, free_bits: float) -> Any:
    """The divergence of each code that the loss counts, in nats, (...).

    An element costs at least its share of the free bits, so that the loss has no gradient towards a smaller
    divergence there (Kingma et al. 2016, arXiv:1606.04934, section C.8).

    Args:
        divergences: of each element, in nats, (..., Z).
        free_bits: of a whole code.
    """
    share = free_bits * math.log(2) / divergences.shape[-1]
    return tf.reduce_sum(tf.maximum(divergences, share), axis=-1)


def annealing_weight(step: Any, annealing_steps: int) -> Any:
    """The weight of the divergence at a training step: it rises linearly from 0 to 1 (Bowman et al. 2016).

    Args:
        step: number of the step, from 0.
        annealing_steps: number of steps until the weight is 1; 0: it is always 1.
    """
    if not annealing_steps:
        return tf.constant(1.0)
    return tf.minimum(tf.cast(step, tf.float32) / annealing_steps, 1.0)
