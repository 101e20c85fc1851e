"""Keys of `model:` that families of networks share: their types, ranges and descriptions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

MOST_RECURRENT_LAYERS = 8

# Types that families complete by a description of their own.
HiddenUnits = Annotated[int, Meta(ge=1, extra={"flag": "--hidden-units"})]
Layers = Annotated[int, Meta(ge=1, le=MOST_RECURRENT_LAYERS, extra={"flag": "--layers"})]
DropoutRate = Annotated[float, Meta(ge=0, lt=1)]

EmbeddingDim = Annotated[
    int, Meta(ge=1, description="Length of a word's vector.", extra={"flag": "--embedding-dim"})
]
InputDropout = Annotated[
    DropoutRate,
    Meta(
        description="Share of the elements of the word vectors that is left out in training. Raise it if "
        "the model overfits.",
    ),
]
WordDropout = Annotated[
    DropoutRate,
    Meta(description="Share of the vocabulary whose word vectors are read as zeros in a training step."),
]
Tied = Annotated[
    bool,
    Meta(
        description="Whether the output layer uses the word vectors of the input. If embedding_dim and "
        "hidden_units differ, a projection stands before it."
    ),
]
Cutoffs = Annotated[
    Annotated[
        str,
        Meta(
            pattern=r"^[1-9][0-9]{0,9}(, ?[1-9][0-9]{0,9}){0,62}$",
            extra={"expected": "rising numbers such as 2000,10000", "metavar": "ID,..."},
        ),
    ]
    | None,
    Meta(
        description="Ids of the first words of the further clusters of an adaptive output layer. Vectors are half "
        "as long in each further cluster. null chooses the cutoffs that need the fewest multiplications; a warm "
        "start keeps those of the older model."
    ),
]
SoftmaxKind = Annotated[
    Literal["auto", "full", "adaptive"],
    Meta(
        description="Output layer: full: computes the score of every word; adaptive: groups rare words into "
        "clusters that are computed only if needed; auto: adaptive from 5,000 words on, else full. The "
        "probabilities of an adaptive output layer are exact, too. Up to 2,000 words, adaptive is full."
    ),
]
