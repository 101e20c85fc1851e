"""The keys of `model:` for a linear recurrent network."""

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
from lmctl.layers.linear_cells import Cell


class LinearRNNConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="linearrnn"
):
    """The shape of the network, and its dropout in training."""

    cell: Annotated[
        Cell,
        Meta(
            description="Kind of the recurrent cells: sru: Simple Recurrent Unit; qrnn: quasi-recurrent, which "
            "also reads the input before; mingru: minimal gated recurrent unit."
        ),
    ] = "sru"
    embedding_dim: EmbeddingDim = 320
    hidden_units: Annotated[HiddenUnits, Meta(description="Number of units in each recurrent layer.")] = 640
    layers: Annotated[Layers, Meta(description="Number of recurrent layers.")] = 2
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of each layer's output that is left out in training. Raise it if "
            "the model overfits.",
        ),
    ] = 0.4
    input_dropout: InputDropout = 0.4
    word_dropout: WordDropout = 0.05
    zoneout: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="Share of the elements of a layer's state that a training step does not update. The "
            "other updates are larger in return, so that the expected state is that of a query.",
        ),
    ] = 0.0
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
