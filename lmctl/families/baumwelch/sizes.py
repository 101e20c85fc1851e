"""The dimensions of a hidden Markov model that stores its probabilities."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.word_layers import Dimension

MOST_STATES = 512


class BaumWelchSizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="baumwelch"
):
    """The dimensions of a hidden Markov model.

    Attributes:
        vocabulary_size: V.
        states: Z. Every state may emit every word.
    """

    vocabulary_size: Dimension
    states: Annotated[int, Meta(ge=1, le=MOST_STATES)]


def weight_shapes(sizes: BaumWelchSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights: natural logs of probabilities, each row of which sums to 1."""
    states = sizes.states
    return {"start": (states,), "transitions": (states, states), "emissions": (states, sizes.vocabulary_size)}
