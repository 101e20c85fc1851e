"""The dimensions of an LSTM language model in model.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from lmctl.families.network_sizes import MOST_LAYERS, NetworkSizes, shared_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.lstm.config import LSTMConfig


class LSTMSizes(
    NetworkSizes, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="lstm"
):
    """The dimensions of an LSTM language model.

    Attributes:
        layers: L, the number of layers of `hidden_units` each.
    """

    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]

    @classmethod
    def of(cls, word_counts: Sequence[int], model: LSTMConfig) -> LSTMSizes:
        """The sizes for a configuration and a vocabulary; `word_counts` are by id, (V,)."""
        return cls(layers=model.layers, **shared_sizes(word_counts, model))
