"""The weights of a mixture: how much of each member's probabilities makes a text most probable."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array

# Expectation maximisation ends when no weights whatever can gain more than so many nats per token.
LARGEST_LOSS_NATS = 1e-7
MOST_ROUNDS = 10_000
WEIGHT_DIGITS = 6


def tune_weights(log_probs: Sequence[Float64Array]) -> list[float]:
    """The weights of a mixture that make a text most probable.

    Expectation maximisation (Jelinek & Mercer 1980): a member's next weight is the mean, over the tokens, of its
    share in the mixture's probability. The likelihood never falls, and being concave in the weights it has no
    maximum but the one.

    It ends by a bound that says how far off the maximum may be: no weights gain more than log(max_i r_i) nats per
    token, r_i being the mean over the tokens of p_i / p (Cover 1984, "An algorithm for maximizing expected log
    investment return"). Between members that hardly differ it is slow, and ends after MOST_ROUNDS; then no weights
    gain more than ln M / MOST_ROUNDS, below 1e-4.

    Args:
        log_probs: for each member, natural log probability of every token of the text, (N,). Tokens that no member
            finds possible say nothing about the weights and are left out.

    Raises:
        DataError: no token is left.
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
        if math.log(gains.max()) < LARGEST_LOSS_NATS:
            break
        weights *= gains
    # Digits that depend on the order of sums, and so on the number of threads, are left out.
    rounded = [round(float(weight), WEIGHT_DIGITS) for weight in (weights / weights.sum())[:-1]]
    return [*rounded, max(0.0, 1.0 - sum(rounded))]
