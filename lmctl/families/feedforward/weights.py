"""Names and shapes of the weights of a feed-forward network, for training and for queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lmctl.families.feedforward.sizes import FeedForwardSizes


def weight_shapes(sizes: FeedForwardSizes) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a feed-forward language model."""
    inputs = sizes.context_words * sizes.embedding_dim
    shapes = sizes.word_layers.embedding_shapes()
    shapes["padding"] = (sizes.embedding_dim,)
    shapes["hidden.kernel"] = (inputs, sizes.hidden_units)
    shapes["hidden.bias"] = (sizes.hidden_units,)
    if sizes.direct_connections:
        shapes["direct.kernel"] = (inputs, sizes.hidden_units)
    return shapes | sizes.word_layers.softmax_shapes()
