"""The keys of `model:` for a hidden Markov model that is fitted by Baum-Welch."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

# Within these bounds, no sum of counts is infinite, and no probability is rounded to 0, nor a product of those of
# a transition and a word in the forward algorithm.
LEAST_ADDED, MOST_ADDED = 1e-30, 1e30


class BaumWelchConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="baumwelch"
):
    """The number of hidden states, and how they are fitted."""

    states: Annotated[
        int,
        Meta(
            ge=1,
            le=512,
            description="Number of hidden states. An iteration computes states * states products for every "
            "token, so time grows with the square.",
        ),
    ] = 64
    iterations: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of passes of Baum-Welch over the training text. 0: the states stay as the fit "
            "starts with them: a few for each word class.",
        ),
    ] = 20
    added: Annotated[
        float,
        Meta(
            ge=LEAST_ADDED,
            le=MOST_ADDED,
            description="Number that is added to the expected count of every word and every transition. A "
            "larger number makes unseen words and transitions more probable.",
        ),
    ] = 0.01
