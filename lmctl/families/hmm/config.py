"""The keys of `model:` for a hidden Markov model."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lmctl.families.network_keys import DropoutRate


class HMMConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="hmm"
):
    """The number of hidden states, and the size of the vectors that give their probabilities."""

    states: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 15,
            description="Number of hidden states, a multiple of blocks. A training step computes states * "
            "states transitions, so time grows with the square.",
        ),
    ] = 2048
    blocks: Annotated[
        int,
        Meta(
            ge=1,
            le=1 << 12,
            description="Number of word classes. Words that occur in similar contexts form a class, and each "
            "class has states / blocks states of its own.",
        ),
    ] = 128
    embedding_dim: Annotated[
        int,
        Meta(
            ge=1, description="Length of the vector of a state and of a word.", extra={"flag": "--embedding-dim"}
        ),
    ] = 256
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of the state vectors that is left out in training. Raise it if "
            "the model overfits.",
        ),
    ] = 0.0
