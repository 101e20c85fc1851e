"""The dimensions of a variational autoencoder in model.json, and the names and shapes of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.layers.word_layers import Clusters, Dimension, WordLayers, softmax_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.vae.config import VAEConfig

MOST_CODES = 1024
MOST_CODE_ELEMENTS = 64
# A bound for records from unknown sources, far above the number of layers of any model.
MOST_LAYERS = 64


class VAESizes(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="vae"
):
    """The dimensions of a variational autoencoder.

    Attributes:
        vocabulary_size: V.
        embedding_dim: E, the length of an input word vector.
        hidden_units: H, the units of each layer of the decoder.
        layers: L, the number of layers of the decoder.
        encoder_units: the units of the encoder.
        code_dim: Z, the length of a code.
        codes: K, the number of fixed codes.
        tied: see `WordLayers`.
        clusters: see `WordLayers`.
    """

    vocabulary_size: Dimension
    embedding_dim: Dimension
    hidden_units: Dimension
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]
    encoder_units: Dimension
    code_dim: Annotated[int, Meta(ge=1, le=MOST_CODE_ELEMENTS)]
    codes: Annotated[int, Meta(ge=1, le=MOST_CODES)]
    tied: bool
    clusters: Clusters

    def __post_init__(self) -> None:
        """Refuse clusters that do not fit the vocabulary and the dimensions."""
        self.word_layers.check()

    @property
    def word_layers(self) -> WordLayers:
        """The embedding and the softmax."""
        return WordLayers(
            vocabulary_size=self.vocabulary_size,
            embedding_dim=self.embedding_dim,
            hidden_dim=self.hidden_units,
            tied=self.tied,
            clusters=self.clusters,
        )

    @classmethod
    def of(cls, word_counts: Sequence[int], model: VAEConfig) -> VAESizes:
        """The sizes for a configuration and a vocabulary; `word_counts` are by id, (V,)."""
        return cls(
            vocabulary_size=len(word_counts),
            embedding_dim=model.embedding_dim,
            hidden_units=model.hidden_units,
            layers=model.layers,
            encoder_units=model.encoder_units,
            code_dim=model.code_dim,
            codes=model.codes,
            tied=model.tied,
            clusters=softmax_clusters(
                word_counts, model.softmax, model.embedding_dim if model.tied else model.hidden_units
            ),
        )


def weight_shapes(sizes: VAESizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights. The first layer of the decoder reads a word vector and a code, E + Z."""
    shapes = sizes.word_layers.embedding_shapes()
    units, encoder_units = sizes.hidden_units, sizes.encoder_units
    for layer in range(sizes.layers):
        width = units if layer else sizes.embedding_dim + sizes.code_dim
        shapes |= _lstm_shapes(f"decoder.{layer}", width, units)
    shapes |= _lstm_shapes("encoder", sizes.embedding_dim, encoder_units)
    shapes["code.kernel"] = (encoder_units, 2 * sizes.code_dim)
    shapes["code.bias"] = (2 * sizes.code_dim,)
    return shapes | sizes.word_layers.softmax_shapes()


def _lstm_shapes(name: str, width: int, units: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.kernel": (width, 4 * units),
        f"{name}.recurrent_kernel": (units, 4 * units),
        f"{name}.bias": (4 * units,),
    }
