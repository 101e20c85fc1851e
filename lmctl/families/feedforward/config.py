"""The keys of `model:` for a feed-forward network."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lmctl.families.network_keys import (
    Cutoffs,
    DropoutRate,
    EmbeddingDim,
    HiddenUnits,
    InputDropout,
    SoftmaxKind,
    Tied,
    WordDropout,
)


class FeedForwardConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="feedforward"
):
    """The shape of the network, and its dropout in training."""

    order: Annotated[
        int,
        Meta(
            ge=2,
            le=20,
            description="Length of an n-gram in words: the network predicts a word from the order - 1 words "
            "before it.",
        ),
    ] = 6
    embedding_dim: EmbeddingDim = 320
    hidden_units: Annotated[HiddenUnits, Meta(description="Number of units in the hidden layer.")] = 640
    direct_connections: Annotated[
        bool,
        Meta(
            description="Whether the word vectors also reach the output layer by a linear map past the hidden "
            "layer."
        ),
    ] = True
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of the output layer's input that is left out in training. Raise "
            "it if the model overfits.",
        ),
    ] = 0.3
    input_dropout: InputDropout = 0.2
    word_dropout: WordDropout = 0.05
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
