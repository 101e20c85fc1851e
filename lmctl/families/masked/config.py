"""The keys of `model:` for a masked language model."""

from __future__ import annotations

from typing import Annotated

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
from lmctl.families.network_keys import Cutoffs, InputDropout, SoftmaxKind, Tied
from lmctl.layers.attention import MOST_CONTEXT


class MaskedConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="masked"
):
    """The shape of the network, its dropout, and the share of the words that are hidden in training."""

    hidden_units: HiddenUnits = 256
    layers: Layers = 4
    heads: Heads = 4
    feedforward_units: FeedforwardUnits = 704
    context: Annotated[
        int,
        Meta(
            ge=2,
            le=MOST_CONTEXT,
            description="Largest number of positions of a sentence that are read at once. Of a longer sentence, "
            "this many positions around the gap are read.",
        ),
    ] = 128
    mask_rate: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Share of the words of each stream that are hidden in a training step. The network learns "
            "to predict these.",
        ),
    ] = 0.3
    dropout: OutputDropout = 0.1
    attention_dropout: AttentionDropout = 0.0
    input_dropout: InputDropout = 0.1
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
