"""The divergence of a sentence's code from the prior, its weight in the training loss, and where codes lie."""

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


def normal_nats(values: Any, center: Any, log_deviation: Any) -> Any:
    """The negative log density of values under independent normal distributions, without its constant, in nats.

    Args:
        values: (..., Z).
        center: the mean of each element, (Z,).
        log_deviation: the natural log of the standard deviation of each element, (Z,).

    Returns:
        (...).
    """
    return tf.reduce_sum(0.5 * tf.square((values - center) * tf.exp(-log_deviation)) + log_deviation, axis=-1)


def annealing_weight(step: Any, annealing_steps: int) -> Any:
    """The weight of the divergence at a training step: it rises linearly from 0 to 1 (Bowman et al. 2016).

    Args:
        step: number of the step, from 0.
        annealing_steps: number of steps until the weight is 1; 0: it is always 1.
    """
    if not annealing_steps:
        return tf.constant(1.0)
    return tf.minimum(tf.cast(step, tf.float32) / annealing_steps, 1.0)
