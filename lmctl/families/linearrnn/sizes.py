"""The dimensions of a linear recurrent language model in model.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from lmctl.families.network_sizes import MOST_LAYERS, NetworkSizes, shared_sizes
from lmctl.layers.linear_cells import Cell, shape_of_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.families.linearrnn.config import LinearRNNConfig


class LinearRNNSizes(
    NetworkSizes, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="family", tag="linearrnn"
):
    """The dimensions of a linear recurrent language model.

    Attributes:
        cell: the kind of the cells.
        layers: L, the number of layers of `hidden_units` each.
    """

    cell: Cell
    layers: Annotated[int, Meta(ge=1, le=MOST_LAYERS)]

    @classmethod
    def of(cls, word_counts: Sequence[int], model: LinearRNNConfig) -> LinearRNNSizes:
        """The sizes for a configuration and a vocabulary; `word_counts` are by id, (V,)."""
        return cls(cell=model.cell, layers=model.layers, **shared_sizes(word_counts, model))

    @property
    def widths(self) -> list[int]:
        """D of each layer, the length of its inputs."""
        return [self.embedding_dim, *[self.hidden_units] * (self.layers - 1)]

    @property
    def window(self) -> int:
        """Number of inputs that a step of a layer reads."""
        return shape_of_cell(self.cell, self.embedding_dim, self.hidden_units).window
