"""The parameters of a cache model in model.json."""

from __future__ import annotations

import math

import msgspec


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a cache model; runtime.py and memory.py have the formulas.

    Attributes:
        weight: the mixture weight of the cache, 0 <= weight < 1. The model has 1 - weight.
        theta: the factor of the affinity in the weight of a vote, above 0: a higher theta gives more weight to
            words after similar (or, without features, recent) contexts.
    """

    weight: float
    theta: float

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 0.0 <= self.weight < 1.0 or not 0.0 < self.theta < math.inf:
            raise ValueError(f"cache weight {self.weight} or theta {self.theta} is out of range")
