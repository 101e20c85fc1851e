"""Keys of `model:` that families of networks share: their types, ranges and descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

EmbeddingDim = Annotated[
    int, Meta(ge=1, description="Length of a word's vector.", extra={"flag": "--embedding-dim"})
]
InputDropout = Annotated[
    float, Meta(ge=0, lt=1, description="Share of the elements of the embedded words left out while training.")
]
WordDropout = Annotated[
    float,
    Meta(ge=0, lt=1, description="Share of the vocabulary whose words are read as zeros in a training step."),
]
Tied = Annotated[
    bool,
    Meta(
        description="Whether the output embedding is the input embedding, behind a projection if "
        "embedding_dim and hidden_units differ."
    ),
]
SoftmaxKind = Annotated[
    Literal["auto", "full", "adaptive"],
    Meta(
        description="Output layer: full computes every word's score; adaptive groups rare words into clusters "
        "that are computed only if they are needed, is exact too, and full up to 2,000 words; "
        "auto is adaptive from 5,000 words on."
    ),
]
