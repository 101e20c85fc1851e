"""The keys of `model:` for a hidden Markov model that is fitted by Baum-Welch."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class BaumWelchConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="baumwelch"
):
    """The number of hidden states, and how they are fitted."""

    states: Annotated[
        int,
        Meta(
            ge=1,
            le=512,
            description="Number of hidden states. An iteration computes states times states products for every "
            "token.",
        ),
    ] = 64
    iterations: Annotated[
        int, Meta(ge=0, description="Passes over the training text; 0 leaves the states as word classes.")
    ] = 20
    added: Annotated[
        float,
        Meta(
            gt=0,
            description="What is added to every expected count, of a word or of a transition: with more, what was "
            "never seen is more probable.",
        ),
    ] = 0.01
