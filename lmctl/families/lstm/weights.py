"""Names and shapes of an LSTM's weights: what training and answering agree on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmctl.layers.embedding import word_vector_shapes

if TYPE_CHECKING:
    from lmctl.families.lstm.sizes import LSTMSizes


def weight_shapes(sizes: LSTMSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of an LSTM language model."""
    units = sizes.hidden_units
    shapes = word_vector_shapes("embedding", sizes.input_clusters)
    for layer in range(sizes.layers):
        shapes[f"lstm.{layer}.kernel"] = (units if layer else sizes.embedding_dim, 4 * units)
        shapes[f"lstm.{layer}.recurrent_kernel"] = (units, 4 * units)
        shapes[f"lstm.{layer}.bias"] = (4 * units,)
    if not sizes.tied:
        shapes |= word_vector_shapes("softmax.embedding", sizes.clusters)
    elif sizes.embedding_dim != units:
        shapes["softmax.projection"] = (units, sizes.embedding_dim)
    shapes["softmax.bias"] = (sizes.vocabulary_size,)
    if tails := len(sizes.clusters) - 1:
        shapes["softmax.clusters"] = (tails, sizes.clusters[0].width)
        shapes["softmax.clusters.bias"] = (tails,)
    return shapes


def count_parameters(sizes: LSTMSizes) -> int:
    """How many weights an LSTM language model has."""
    # Not in NumPy's integers, which a size that nobody has would overflow.
    return sum(math.prod(shape) for shape in weight_shapes(sizes).values())
