"""The dimensions of a variational autoencoder in model.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from lmctl.families.network_sizes import MOST_LAYERS, NetworkSizes, shared_sizes
from lmctl.families.vae.config import MOST_CODE_ELEMENTS, MOST_CODES
from lmctl.layers.word_layers import Dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.vae.config import VAEConfig


class VAESizes(NetworkSizes, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="vae"):
    """The dimensions of a variational autoencoder.

    Attributes:
        layers: L, the number of layers of the decoder, of `hidden_units` each.
        encoder_units: the units of the encoder.
        code_dim: Z, the length of a code.
        codes: K, the number of fixed codes.
    """

    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
    encoder_units: Dimension
    code_dim: Annotated[int, Meta(ge=1, le=MOST_CODE_ELEMENTS)]
    codes: Annotated[int, Meta(ge=1, le=MOST_CODES)]

    @classmethod
    def of(cls, word_counts: Sequence[int], model: VAEConfig) -> VAESizes:
        """The sizes for a configuration and a vocabulary; `word_counts` are by id, (V,)."""
        return cls(
            layers=model.layers,
            encoder_units=model.encoder_units,
            code_dim=model.code_dim,
            codes=model.codes,
            **shared_sizes(word_counts, model),
        )
