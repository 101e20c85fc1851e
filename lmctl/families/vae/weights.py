"""Names and shapes of the weights of a variational autoencoder, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.families.vae.codes import CENTER, LOG_DEVIATION
from lmctl.layers.lstm import weight_shapes_of_layer

if TYPE_CHECKING:
    from lmctl.families.vae.sizes import VAESizes


def weight_shapes(sizes: VAESizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights. The first layer of the decoder reads a word vector and a code, E + Z."""
    shapes = sizes.word_layers.embedding_shapes()
    units, encoder_units = sizes.hidden_units, sizes.encoder_units
    for layer in range(sizes.layers):
        width = units if layer else sizes.embedding_dim + sizes.code_dim
        shapes |= weight_shapes_of_layer(f"decoder.{layer}", width, units)
    shapes |= weight_shapes_of_layer("encoder", sizes.embedding_dim, encoder_units)
    shapes["code.kernel"] = (encoder_units, 2 * sizes.code_dim)
    shapes["code.bias"] = (2 * sizes.code_dim,)
    shapes |= {CENTER: (sizes.code_dim,), LOG_DEVIATION: (sizes.code_dim,)}
    return shapes | sizes.word_layers.softmax_shapes()
