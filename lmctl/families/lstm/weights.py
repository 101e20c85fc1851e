"""Names and shapes of the weights of an LSTM, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.layers.lstm import weight_shapes_of_layer

if TYPE_CHECKING:
    from lmctl.families.lstm.sizes import LSTMSizes


def weight_shapes(sizes: LSTMSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of an LSTM language model."""
    units = sizes.hidden_units
    shapes = sizes.word_layers.embedding_shapes()
    for layer in range(sizes.layers):
        shapes |= weight_shapes_of_layer(f"lstm.{layer}", units if layer else sizes.embedding_dim, units)
    return shapes | sizes.word_layers.softmax_shapes()
