"""Names and shapes of the weights of a Transformer, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.families.transformer.sizes import TransformerSizes

# It is added to the mean of squares before the root.
NORM_EPSILON = 1e-6


def inner_weight_shapes(sizes: TransformerSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights between embedding and softmax.

    The columns of `queries_keys_values` are the queries of all heads, then the keys, then the values. The columns
    of `gates_units` are the gates, then the units that the gates multiply.
    """
    units, feedforward = sizes.hidden_units, sizes.feedforward_units
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(sizes.layers):
        name = f"transformer.{layer}"
        shapes[f"{name}.attention.norm"] = (units,)
        shapes[f"{name}.attention.queries_keys_values"] = (units, 3 * units)
        shapes[f"{name}.attention.output"] = (units, units)
        shapes[f"{name}.feedforward.norm"] = (units,)
        shapes[f"{name}.feedforward.gates_units"] = (units, 2 * feedforward)
        shapes[f"{name}.feedforward.output"] = (feedforward, units)
    shapes["transformer.norm"] = (units,)
    return shapes


def weight_shapes(sizes: TransformerSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a Transformer language model."""
    layers = sizes.word_layers
    return layers.embedding_shapes() | inner_weight_shapes(sizes) | layers.softmax_shapes()
