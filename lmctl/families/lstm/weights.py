"""Names and shapes of the weights of an LSTM, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.families.lstm.sizes import LSTMSizes


def weight_shapes(sizes: LSTMSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of an LSTM language model."""
    units = sizes.hidden_units
    shapes = sizes.word_layers.embedding_shapes()
    for layer in range(sizes.layers):
        shapes[f"lstm.{layer}.kernel"] = (units if layer else sizes.embedding_dim, 4 * units)
        shapes[f"lstm.{layer}.recurrent_kernel"] = (units, 4 * units)
        shapes[f"lstm.{layer}.bias"] = (4 * units,)
    return shapes | sizes.word_layers.softmax_shapes()
