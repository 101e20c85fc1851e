"""How a cache is mixed into a model, as model.json has it."""

from __future__ import annotations

import math

import msgspec


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a cache is mixed into a model; see runtime.py.

    Attributes:
        weight: the share of the cache's probabilities, from 0 to less than 1.
        theta: how much more an apt memory counts than another; above 0.
    """

    weight: float
    theta: float

    def __post_init__(self) -> None:
        """Refuse a share that leaves the model none, and a theta that is not a number above 0."""
        if not 0.0 <= self.weight < 1.0 or not 0.0 < self.theta < math.inf:
            raise ValueError(f"cache weight {self.weight} or theta {self.theta} is out of range")
