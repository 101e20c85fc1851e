"""The keys of `model:` for a variational autoencoder."""

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

MOST_CODES, MOST_CODE_ELEMENTS = 1024, 64


class VAEConfig(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="family", tag="vae"
):
    """The shape of the network, the weight of the divergence in the training loss, and dropout in training."""

    embedding_dim: EmbeddingDim = 320
    hidden_units: Annotated[
        HiddenUnits,
        Meta(
            description="Number of units in each layer of the decoder. Time and memory grow with their square.",
        ),
    ] = 640
    layers: Annotated[Layers, Meta(description="Number of layers of the decoder.")] = 1
    encoder_units: Annotated[
        int, Meta(ge=1, description="Number of units of the encoder, which training and `lmctl embed` use.")
    ] = 256
    code_dim: Annotated[
        int, Meta(ge=1, le=MOST_CODE_ELEMENTS, description="Length of the code of a sentence.")
    ] = 3
    codes: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_CODES,
            description="Number of fixed codes that a query averages over. The time of queries and of validation "
            "grows in proportion; training does not use them.",
        ),
    ] = 16
    free_bits: Annotated[
        float,
        Meta(
            ge=0,
            description="Divergence between a sentence's code and the prior, in bits, that the training loss does "
            "not count. Each element of the code gets an equal part of it. Raise it if the decoder ignores the "
            "code.",
        ),
    ] = 6.0
    annealing_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Number of training steps in which the weight of the divergence rises from 0 to 1; 0: the "
            "weight is 1 from the first step.",
        ),
    ] = 2000
    dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the elements of the output of each decoder layer that is left out in training. "
            "Raise it if the model overfits.",
        ),
    ] = 0.5
    input_dropout: InputDropout = 0.4
    word_dropout: WordDropout = 0.05
    weight_dropout: Annotated[
        DropoutRate,
        Meta(
            description="Share of the decoder's recurrent weights that is left out in a training step "
            "(DropConnect).",
        ),
    ] = 0.3
    tied: Tied = True
    softmax: SoftmaxKind = "auto"
    cutoffs: Cutoffs = None
