"""The parameters of a cache model in model.json."""

from __future__ import annotations

import msgspec

# The normal numbers of float32. A product of a smaller one and the affinity -inf, or of a larger one and 0, would
# be NaN.
LEAST_THETA = 2.0**-126
MOST_THETA = 2.0**128 - 2.0**104


class CacheParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters of a cache model; runtime.py and memory.py have the formulas.

    Attributes:
        weight: the mixture weight of the cache, 0 <= weight < 1. The model has 1 - weight.
        theta: the factor of the affinity in the weight of a vote, above 0: a higher theta gives more weight to
            words after similar (or, without features, recent) contexts. Votes are float32, so it is a normal
            number of this type.
    """

    weight: float
    theta: float

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 0.0 <= self.weight < 1.0 or not LEAST_THETA <= self.theta <= MOST_THETA:
            raise ValueError(f"cache weight {self.weight} or theta {self.theta} is out of range")
