"""The keys of `model:` for a hidden Markov model."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class HMMConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="hmm"
):
    """The number of hidden states, and the vectors that their probabilities are computed from."""

    states: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 15,
            description="Number of hidden states, a multiple of blocks. A training step computes states times "
            "states transitions.",
        ),
    ] = 2048
    blocks: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 12,
            description="Number of word classes. Words that stand in like company are one class, and have "
            "states / blocks states of their own.",
        ),
    ] = 128
    embedding_dim: Annotated[
        int,
        Meta(ge=1, description="Length of a state's and of a word's vector.", extra={"flag": "--embedding-dim"}),
    ] = 256
    dropout: Annotated[
        float,
        Meta(ge=0, lt=1, description="Share of the elements of the states' vectors left out while training."),
    ] = 0.0
