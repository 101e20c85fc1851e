"""Draws next tokens at random: temperature, top-k, nucleus and min-p sampling.

`<unk>` is never drawn: its probability is left out, and the others are renormalised. Then, in this order:

1. Temperature T: p(w) becomes p(w)^(1/T) over the sum of all of these (Ackley, Hinton & Sejnowski 1985, "A
   learning algorithm for Boltzmann machines"). T = 0 is the limit: the most probable token is certain.
2. Top-k: the k most probable tokens stay (Fan, Lewis & Dauphin 2018, arXiv:1805.04833).
3. Nucleus, top-p: of these, the most probable tokens stay whose probabilities first sum to at least p (Holtzman
   et al. 2020, arXiv:1904.09751).
4. Min-p: of these, the tokens stay whose probability is at least m times the highest one (Nguyen et al. 2024,
   arXiv:2407.01082).

After each step, probabilities are renormalised. Of equally probable tokens, those with the smaller id stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.arguments import whole_number
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import UsageError
from lmctl.layers.distributions import check_log_probs, drawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.families.base import LanguageModel

# NumPy would take a larger seed as two numbers, and the second could be taken for the number of a prompt.
LARGEST_SEED = 2**32 - 1
# Buckets of tokens of similar probability, for the nucleus. Each spans a factor of exp(1/8), the last the rest.
BUCKETS_A_NAT = 8
LAST_BUCKET = 50 * BUCKETS_A_NAT
# Log probabilities are rounded. A sum that is less than p by no more than this share counts as p.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: T, at least 0; 1: the distribution of the model.
        top_k: k, at least 1; None: all tokens.
        top_p: p, above 0 and at most 1; 1: all tokens.
        min_p: m, from 0 to 1; 0: all tokens.

    Raises:
        UsageError: a value is outside its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise UsageError(f"the temperature is {self.temperature}; expected a number of at least 0")
        if self.top_k is not None:
            whole_number("top_k", self.top_k)
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p is {self.top_p}; expected a number above 0, and at most 1")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"min_p is {self.min_p}; expected a number from 0 to 1")

    @property
    def is_whole(self) -> bool:
        """Whether tokens are drawn from the whole distribution of the model, as it is."""
        return self == Sampling()


class Sampler:
    """Draws next tokens from a model.

    A token depends on its context, its uniform number and its banned tokens, and not on the other columns.

    Args:
        language_model: the model.
        sampling: how tokens are drawn.
        has_bans: whether tokens may be banned.
    """

    def __init__(self, language_model: LanguageModel[Any], sampling: Sampling, *, has_bans: bool) -> None:
        self._language_model = language_model
        self._sampling = sampling
        self._is_whole = sampling.is_whole and not has_bans
        self._allowed: BoolArray = np.ones(language_model.vocabulary_size, dtype=bool)
        self._allowed[UNKNOWN_ID] = False
        # Only so many of the most probable tokens can be drawn; None: any token.
        self._most = 1 if sampling.temperature == 0 else sampling.top_k

    def draw(
        self, state: Any, uniforms: Float64Array, bans: Sequence[Sequence[int]]
    ) -> tuple[IntArray, Float32Array]:
        """Draw a next token for each context.

        Args:
            state: the contexts.
            uniforms: a number of at least 0 and below 1 for each context, (B,).
            bans: for each context, the ids of tokens that are not drawn.

        Returns:
            Token ids, (B,), and their natural log probabilities in the distribution of the model, (B,). If no
            token has a probability above 0, the log probability is -inf, and the id means nothing.
        """
        if self._is_whole:
            return self._language_model.sample(state, uniforms, UNKNOWN_ID)
        ids, log_probs = self._candidates(state, bans)
        token_ids = np.zeros(len(ids), dtype=np.int64)
        found = np.full(len(ids), -np.inf, dtype=np.float32)
        possible = np.flatnonzero(log_probs.max(axis=1, initial=-np.inf) > -np.inf)
        if len(possible):
            columns, _, _ = drawn(filtered(log_probs[possible], self._sampling), uniforms[possible])
            token_ids[possible] = ids[possible, columns]
            found[possible] = log_probs[possible, columns]
        return token_ids, found

    def _candidates(self, state: Any, bans: Sequence[Sequence[int]]) -> tuple[IntArray, Float32Array]:
        """Ids of tokens, and their log probabilities, (B, M) each; -inf: the token cannot be drawn."""
        if self._most is None:
            log_probs = self._language_model.log_probs(state).copy()
            check_log_probs(log_probs.max(axis=1))
            log_probs[:, UNKNOWN_ID] = -np.inf
            for row, banned in enumerate(bans):
                log_probs[row, banned] = -np.inf
            return np.broadcast_to(np.arange(log_probs.shape[1]), log_probs.shape), log_probs
        most_banned = max(map(len, bans))
        ids, log_probs = self._language_model.top_k(state, self._most + most_banned, self._allowed)
        check_log_probs(log_probs)
        for row, banned in enumerate(bans):
            # The first ones stay that are not banned.
            stays = ~np.isin(ids[row], banned)
            log_probs[row, ~stays | (np.cumsum(stays) > self._most)] = -np.inf
        return ids, log_probs


def filtered(log_probs: Float32Array, sampling: Sampling) -> Float64Array:
    """Apply temperature, nucleus and min-p to distributions.

    Args:
        log_probs: natural logs, (N, M), not necessarily normalised. Each row has a finite value.
        sampling: T, p and m; k has been applied before, if it is given. If T is 0, each row has one finite value.

    Returns:
        Natural logs of weights, (N, M), not normalised; -inf: the token is not drawn.
    """
    logs: Float64Array = np.subtract(log_probs, log_probs.max(axis=1, keepdims=True), dtype=np.float64)
    if sampling.temperature == 0:
        return logs
    if sampling.temperature != 1:
        # Next to 0, a quotient may be too large for a float: the token is not drawn.
        with np.errstate(over="ignore"):
            logs /= sampling.temperature
    outside = np.zeros(logs.shape, dtype=bool)
    if sampling.top_p < 1:
        for row, of_row in enumerate(logs):
            outside[row] = ~_is_in_nucleus(of_row, sampling.top_p)
    if sampling.min_p:
        outside |= logs < np.log(sampling.min_p) - ROUNDING
    logs[outside] = -np.inf
    return logs


def _is_in_nucleus(logs: Float64Array, top_p: float) -> BoolArray:
    """Whether each token is among the most probable ones whose probabilities first sum to `top_p`.

    Args:
        logs: natural logs of weights, (M,); the largest is 0.
        top_p: p, below 1.
    """
    weights = np.exp(logs)
    enough = top_p * weights.sum() * (1 - ROUNDING)
    # Only the tokens of one bucket of similar probability have to be sorted: all before it are inside.
    buckets = np.minimum(-logs * BUCKETS_A_NAT, LAST_BUCKET).astype(np.int64)
    masses = np.bincount(buckets, weights, minlength=LAST_BUCKET + 1)
    up_to = np.cumsum(masses)
    last = min(int(np.searchsorted(up_to, enough)), LAST_BUCKET)
    inside: BoolArray = buckets < last
    (contenders,) = np.nonzero(buckets == last)
    order = contenders[np.argsort(-logs[contenders], kind="stable")]
    still_needed = enough - (up_to[last] - masses[last])
    inside[order[: int(np.searchsorted(np.cumsum(weights[order]), still_needed)) + 1]] = True
    return inside
