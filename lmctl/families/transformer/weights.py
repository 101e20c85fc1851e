"""Names and shapes of the weights of a Transformer, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.layers.transformer_layer import layer_shapes

if TYPE_CHECKING:
    from lmctl.families.transformer.sizes import TransformerSizes


def inner_weight_shapes(sizes: TransformerSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights between embedding and softmax."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(sizes.layers):
        shapes |= layer_shapes(f"transformer.{layer}", sizes.hidden_units, sizes.feedforward_units)
    return shapes | {"transformer.norm": (sizes.hidden_units,)}


def weight_shapes(sizes: TransformerSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a Transformer language model."""
    layers = sizes.word_layers
    return layers.embedding_shapes() | inner_weight_shapes(sizes) | layers.softmax_shapes()
