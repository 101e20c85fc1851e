"""The keys of `model:` for a Transformer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.families.network_keys import DropoutRate, HiddenUnits, InputDropout, SoftmaxKind, Tied, WordDropout
from lmctl.layers.attention import MOST_CONTEXT


class TransformerConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="transformer"
):
    """The shape of the network, and its dropout in training."""

    hidden_units: Annotated[
        HiddenUnits,
        Meta(
            description="Length of the vectors between layers and of a word's vector. Each head gets an equal "
            "part of it.",
        ),
    ] = 256
    layers: Annotated[
        int, Meta(ge=1, le=64, description="Number of attention layers.", extra={"flag": "--layers"})
    ] = 3
    heads: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of attention heads in each layer. It must divide hidden_units.",
        ),
    ] = 4
    feedforward_units: Annotated[
        int,
        Meta(
            ge=1,
            description="Number of units in the feed-forward part of each layer (SwiGLU).",
        ),
    ] = 704
    context: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_CONTEXT,
            description="Number of positions that a position attends to in each layer: itself and the "
            "positions before it. A state holds the keys and values of this many tokens.",
        ),
    ] = 128
    positions: Annotated[
        Literal["rotary", "alibi"],
        Meta(
            description="How attention distinguishes positions: rotary: queries and keys are rotated by an angle "
            "for each position; alibi: a score is lowered in proportion to the distance. Neither limits the "
            "length of a text."
        ),
    ] = "alibi"
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of the output of each part of a layer, and of the last layer's "
            "output, that is left out in training.",
        ),
    ] = 0.2
    attention_dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the attention weights that is left out in training.",
        ),
    ] = 0.0
    input_dropout: InputDropout = 0.2
    word_dropout: WordDropout = 0.0
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
