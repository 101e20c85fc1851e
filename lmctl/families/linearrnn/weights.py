"""Names and shapes of the weights of a linear recurrent network, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.layers.linear_cells import weight_shapes_of_layer

if TYPE_CHECKING:
    from lmctl.families.linearrnn.sizes import LinearRNNSizes


def weight_shapes(sizes: LinearRNNSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a linear recurrent language model."""
    shapes = sizes.word_layers.embedding_shapes()
    for layer, width in enumerate(sizes.widths):
        shapes |= weight_shapes_of_layer(f"linear.{layer}", sizes.cell, width, sizes.hidden_units)
    return shapes | sizes.word_layers.softmax_shapes()
