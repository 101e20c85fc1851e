"""Mixture weights that maximise the likelihood of a text. Mixtures and caches use them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.deadline import NEVER
from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array
    from lmctl.deadline import Deadline

# Expectation maximisation ends when no other weights gain more nats per token than this.
LARGEST_LOSS_NATS = 1e-7
MOST_ROUNDS = 10_000
WEIGHT_DIGITS = 6


def tune_weights(log_probs: Sequence[Float64Array], deadline: Deadline = NEVER) -> list[float]:
    """Find the mixture weights that make a text most probable, by expectation maximisation.

    The next weight of a member is the mean, over the tokens, of its share in the probability of the mixture
    (Jelinek & Mercer 1980). The likelihood never falls. It is concave in the weights, so its only maximum is
    global.

    The algorithm ends when a bound shows that the maximum is near: no weights gain more than log(max_i r_i) nats
    per token, if r_i is the mean over the tokens of p_i / p (Cover 1984, "An algorithm for maximizing expected log
    investment return"). If the members hardly differ, the bound falls slowly, and the algorithm ends after
    MOST_ROUNDS. Then no weights gain more than ln M / MOST_ROUNDS, which is below 1e-4.

    Args:
        log_probs: for each of M members, the natural log probability of every token of the text, (N,). A token
            that is impossible for all members is left out: every choice of weights gives it probability 0.
        deadline: the algorithm ends then, with the best weights so far.

    Returns:
        M weights, whose sum is 1. All but the largest are rounded to WEIGHT_DIGITS digits, but not to 0 if a token
        would be impossible then.

    Raises:
        DataError: every token is impossible for all members.
    """
    of_members = np.stack(log_probs)  # (M, N)
    most_probable = of_members.max(axis=0)
    possible = most_probable > -np.inf
    if not possible.any():
        raise DataError("no token of the text is possible for any member: there is nothing to tune weights on")
    # A factor common to all members of a token cancels in every share.
    relative = np.exp(of_members[:, possible] - most_probable[possible])
    weights = np.full(len(relative), 1.0 / len(relative))
    for _ in range(MOST_ROUNDS):
        gains = (relative / (weights @ relative)).mean(axis=1)
        if math.log(gains.max()) < LARGEST_LOSS_NATS or deadline.is_over():
            break
        weights *= gains
    # The last digits depend on the order of additions, and so on the number of threads. Rounding removes them.
    rounded = [round(float(weight), WEIGHT_DIGITS) for weight in weights / weights.sum()]
    for member in np.argsort(-weights).tolist():
        # A token of a long text may be possible for a member of tiny weight alone.
        if rounded[member] == 0 and (relative[member, np.array(rounded) @ relative == 0] > 0).any():
            rounded[member] = 10.0**-WEIGHT_DIGITS
    # The largest weight is the rest: a small one might be less than what the others were rounded up by.
    largest = int(weights.argmax())
    rounded[largest] = 1.0 - sum(rounded[:largest] + rounded[largest + 1 :])
    return rounded
