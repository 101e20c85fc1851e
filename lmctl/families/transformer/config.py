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
    """The shape of the network, and what it leaves out while it is trained."""

    hidden_units: Annotated[
        int,
        Meta(
            ge=1,
            description="Length of every vector between layers, and of a word's vector. The heads share it.",
            extra={"flag": "--hidden-units"},
        ),
    ] = 256
    layers: Annotated[
        int, Meta(ge=1, le=64, description="Number of layers of attention.", extra={"flag": "--layers"})
    ] = 4
    heads: Annotated[
        int, Meta(ge=1, description="Heads of attention in each layer; they divide hidden_units evenly.")
    ] = 4
    feedforward_units: Annotated[
        int, Meta(ge=1, description="Units in the feed-forward part of each layer (SwiGLU).")
    ] = 704
    context: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_CONTEXT,
            description="Positions that a position sees in each layer: itself and those before it. A state holds "
            "the keys and values of so many tokens.",
        ),
    ] = 128
    positions: Annotated[
        Literal["rotary", "alibi"],
        Meta(
            description="How attention tells positions apart: rotary turns queries and keys by their positions; "
            "alibi lowers a score in proportion to the distance. Neither limits the length of a text."
        ),
    ] = "alibi"
    dropout: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Share of the elements of what each part of a layer adds, and of the last layer's output, "
            "left out while training.",
        ),
    ] = 0.2
    attention_dropout: Annotated[
        float, Meta(ge=0, lt=1, description="Share of the attention weights left out while training.")
    ] = 0.0
    input_dropout: InputDropout = 0.2
    word_dropout: WordDropout = 0.0
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
