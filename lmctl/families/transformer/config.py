"""The keys of `model:` for a Transformer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.families.network_keys import InputDropout, SoftmaxKind, Tied, WordDropout
from lmctl.layers.attention import MOST_CONTEXT


class TransformerConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="transformer"
):
    """The shape of the network, and its dropout in training."""

    hidden_units: Annotated[
        int,
        Meta(
            ge=1,
            description="Length of the vectors between layers and of a word's vector. The heads divide it "
            "among them.",
            extra={"flag": "--hidden-units"},
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
            description="Number of positions that a position attends to in each layer: itself and those before "
            "it. A state holds the keys and values of this many tokens.",
        ),
    ] = 128
    positions: Annotated[
        Literal["rotary", "alibi"],
        Meta(
            description="How attention tells positions apart: rotary: turns queries and keys by an angle for "
            "each position; alibi: lowers a score in proportion to the distance. Neither limits the length of a "
            "text."
        ),
    ] = "alibi"
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of the elements that is left out in training of what each part of a layer adds, "
            "and of the last layer's output.",
        ),
    ] = 0.2
    attention_dropout: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of the attention weights that is left out in training.",
        ),
    ] = 0.0
    input_dropout: InputDropout = 0.2
    word_dropout: WordDropout = 0.0
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
