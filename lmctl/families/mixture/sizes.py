"""The dimensions of a mixture in model.json: its vocabulary size and its weights."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

# A bound for records from unknown sources, far above the number of members of any mixture.
MOST_MEMBERS = 64


class MixtureSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="mixture"
):
    """The dimensions of a mixture.

    Attributes:
        vocabulary_size: V, of the vocabulary that the members share.
        weights: the mixture weight of each member; their sum is 1.
    """

    vocabulary_size: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    weights: Annotated[list[float], Meta(max_length=MOST_MEMBERS)]

    def __post_init__(self) -> None:
        """Refuse weights that are negative, fewer than two, or do not sum to 1."""
        if len(self.weights) < 2 or min(self.weights) < 0.0 or not math.isclose(sum(self.weights), 1.0):
            raise ValueError(f"weights {self.weights}: expected two or more that are not negative and sum to 1")
