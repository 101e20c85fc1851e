"""Types of keys of `model:` that families of networks with layers of attention share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lmctl.families.network_keys import DropoutRate
from lmctl.families.network_keys import HiddenUnits as AnyHiddenUnits

HiddenUnits = Annotated[
    AnyHiddenUnits,
    Meta(
        description="Length of the vectors between layers and of a word's vector. Each head gets an equal "
        "part of it.",
    ),
]
Layers = Annotated[int, Meta(ge=1, le=64, description="Number of attention layers.", extra={"flag": "--layers"})]
Heads = Annotated[
    int,
    Meta(ge=1, description="Number of attention heads in each layer. It must divide hidden_units."),
]
FeedforwardUnits = Annotated[
    int,
    Meta(ge=1, description="Number of units in the feed-forward part of each layer (SwiGLU)."),
]
OutputDropout = Annotated[
    DropoutRate,
    Meta(
        description="Share of the elements of the output of each part of a layer, and of the last layer's output, "
        "that is left out in training.",
    ),
]
AttentionDropout = Annotated[
    DropoutRate,
    Meta(description="Share of the attention weights that is left out in training."),
]
