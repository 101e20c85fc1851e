"""The keys of `model:` for an LSTM."""

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
    Layers,
    SoftmaxKind,
    Tied,
    WordDropout,
)


class LSTMConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="lstm"
):
    """The shape of the network, and its dropout in training."""

    embedding_dim: EmbeddingDim = 320
    hidden_units: Annotated[
        HiddenUnits,
        Meta(
            description="Number of units in each recurrent layer. Time and memory grow with their square.",
        ),
    ] = 640
    layers: Annotated[Layers, Meta(description="Number of recurrent layers.")] = 1
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of each layer's output that is left out in training. Raise it if "
            "the model overfits.",
        ),
    ] = 0.5
    input_dropout: InputDropout = 0.4
    word_dropout: WordDropout = 0.05
    weight_dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the recurrent weights that is left out in a training step (DropConnect).",
        ),
    ] = 0.3
    locked_dropout: Annotated[
        bool,
        Meta(
            description="Whether dropout and input_dropout leave out the same elements at all tokens of a "
            "segment (variational dropout). If not, they choose anew at each token."
        ),
    ] = True
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
