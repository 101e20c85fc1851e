"""Names and shapes of the weights of a masked language model, which training and answering share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.layers.transformer_layer import layer_shapes

if TYPE_CHECKING:
    from lmctl.families.masked.sizes import MaskedSizes

# The vector that stands in a gap in place of a word's vector.
MASK = "masked.mask"


def inner_weight_shapes(sizes: MaskedSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights between embedding and softmax."""
    shapes: dict[str, tuple[int, ...]] = {MASK: (1, sizes.hidden_units)}
    for layer in range(sizes.layers):
        shapes |= layer_shapes(f"masked.{layer}", sizes.hidden_units, sizes.feedforward_units)
    return shapes | {"masked.norm": (sizes.hidden_units,)}


def weight_shapes(sizes: MaskedSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights."""
    layers = sizes.word_layers
    return layers.embedding_shapes() | inner_weight_shapes(sizes) | layers.softmax_shapes()
