"""The keys of `model:` for a Transformer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.families.attention_keys import (
    AttentionDropout,
    FeedforwardUnits,
    Heads,
    HiddenUnits,
    Layers,
    OutputDropout,
)
from lmctl.families.network_keys import Cutoffs, InputDropout, SoftmaxKind, Tied, WordDropout
from lmctl.layers.attention import MOST_CONTEXT


class TransformerConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="transformer"
):
    """The shape of the network, and its dropout in training."""

    hidden_units: HiddenUnits = 256
    layers: Layers = 3
    heads: Heads = 4
    feedforward_units: FeedforwardUnits = 704
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
    dropout: OutputDropout = 0.2
    attention_dropout: AttentionDropout = 0.0
    input_dropout: InputDropout = 0.2
    word_dropout: WordDropout = 0.0
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
