"""The dimensions of a feed-forward language model, as its model.json has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from lmctl.families.network_sizes import NetworkSizes, shared_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.feedforward.config import FeedForwardConfig

# A bound for model.json files from unknown sources, far above the order of any model.
MOST_ORDER = 64


class FeedForwardSizes(
    NetworkSizes, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="feedforward"
):
    """The dimensions of a feed-forward language model.

    Attributes:
        order: n; the network predicts a word from the n - 1 words before it.
        direct_connections: whether a linear map connects the embedded words with the softmax.
    """

    order: Annotated[int, Meta(ge=2, le=MOST_ORDER)]
    direct_connections: bool

    @property
    def context_words(self) -> int:
        """Number of words that the network predicts from, n - 1."""
        return self.order - 1

    @classmethod
    def of(cls, word_counts: Sequence[int], model: FeedForwardConfig) -> FeedForwardSizes:
        """The sizes of a configuration, for a vocabulary with these counts, by id."""
        return cls(
            order=model.order,
            direct_connections=model.direct_connections,
            **shared_sizes(word_counts, model),
        )
