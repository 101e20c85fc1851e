"""The weights of a mixture, as its model.json has them."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

# Far more than any mixture has, and still small enough that memory does not count.
MOST_MEMBERS = 64


class MixtureSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="mixture"
):
    """The vocabulary that the members of a mixture share, and the weight of each member's probabilities."""

    vocabulary_size: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    weights: Annotated[list[float], Meta(max_length=MOST_MEMBERS)]

    def __post_init__(self) -> None:
        """Refuse weights that do not make a distribution of distributions."""
        if len(self.weights) < 2 or min(self.weights) < 0.0 or not math.isclose(sum(self.weights), 1.0):
            raise ValueError(f"weights {self.weights} are not those of two members or more that sum to 1")
