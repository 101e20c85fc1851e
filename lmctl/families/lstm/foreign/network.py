"""An LSTM language model as another program has it, and its weights in lmctl's form: `ForeignLSTM`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.errors import DataError
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.layers.clusters import one_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray

# The logit of a word that the model does not have: its probability is about 10^-100, as an ARPA file without
# `<unk>` gives it in KenLM.
ABSENT_LOGIT = -100 * np.log(10)


class ForeignLayer(NamedTuple):
    """The weights of a layer with H units, in Keras's layout: gates input, forget, candidate, output.

    Attributes:
        kernel: (E, 4H).
        recurrent_kernel: (H, 4H).
        bias: (4H,).
    """

    kernel: Float32Array
    recurrent_kernel: Float32Array
    bias: Float32Array

    @property
    def units(self) -> int:
        """H."""
        return len(self.recurrent_kernel)


@dataclass(frozen=True, slots=True)
class ForeignLSTM:
    """Embedding, LSTM layers, softmax.

    Attributes:
        embedding: (V, E).
        layers: the LSTM layers.
        output: (V, H), H of the last layer.
        output_bias: (V,).
    """

    embedding: Float32Array
    layers: Sequence[ForeignLayer]
    output: Float32Array
    output_bias: Float32Array

    @property
    def vocabulary_size(self) -> int:
        """V, the number of rows."""
        return len(self.output_bias)

    def check(self, path: Path) -> None:
        """Refuse weights whose shapes do not fit each other.

        Raises:
            DataError: they do not fit.
        """
        if self.embedding.ndim != 2 or self.output.ndim != 2 or self.output_bias.ndim != 1:
            raise DataError(f"{path}: the weights are no matrices")
        width = self.embedding.shape[1]
        fits = len(self.embedding) == len(self.output) == self.vocabulary_size > 0
        for layer in self.layers:
            gates = 4 * layer.units
            fits &= layer.kernel.shape == (width, gates) and layer.bias.shape == (gates,)
            fits &= layer.recurrent_kernel.shape == (layer.units, gates)
            width = layer.units
        if not fits or self.output.shape[1] != width:
            raise DataError(f"{path}: the shapes of the weights do not fit each other")

    def in_own_form(self, rows: IntArray) -> tuple[LSTMSizes, dict[str, Any], dict[str, Float32Array]]:
        """See `ForeignModel.in_own_form`.

        All layers of lmctl have the same number of units. Units that are added to a smaller layer have weights of
        zeros, so their output is 0.
        """
        units = max(layer.units for layer in self.layers)
        is_tied = self.embedding is self.output and self.layers[-1].units == units
        weights = {}
        width = self.embedding.shape[1]
        for number, layer in enumerate(self.layers):
            inputs = units if number else width
            weights[f"lstm.{number}.kernel"] = _padded(layer.kernel, inputs, units)
            weights[f"lstm.{number}.recurrent_kernel"] = _padded(layer.recurrent_kernel, units, units)
            weights[f"lstm.{number}.bias"] = _padded(layer.bias[None], 1, units)[0]
        weights["embedding"] = _rows(self.embedding, rows)
        if not is_tied:
            output = _rows(self.output, rows)
            weights["softmax.embedding"] = np.pad(output, ((0, 0), (0, units - output.shape[1])))
        is_there = rows >= 0
        weights["softmax.bias"] = np.where(is_there, self.output_bias[rows], ABSENT_LOGIT).astype(np.float32)
        sizes = LSTMSizes(
            vocabulary_size=len(rows),
            embedding_dim=width,
            hidden_units=units,
            layers=len(self.layers),
            tied=is_tied,
            clusters=one_cluster(len(rows), units),
        )
        config = {
            "embedding_dim": width,
            "hidden_units": units,
            "layers": len(self.layers),
            "tied": is_tied,
            "softmax": "full",
        }
        return sizes, config, {name: np.ascontiguousarray(values) for name, values in weights.items()}


def _rows(table: Float32Array, rows: IntArray) -> Float32Array:
    """Rows of a table; zeros for -1."""
    found: Float32Array = table[rows] * (rows >= 0).astype(np.float32)[:, None]
    return found


def _padded(weights: Float32Array, rows: int, units: int) -> Float32Array:
    """Weights (N, 4H) with zeros for more rows and more units."""
    own = weights.shape[1] // 4
    gates = weights.reshape(len(weights), 4, own)
    padded = np.pad(gates, ((0, rows - len(weights)), (0, 0), (0, units - own)))
    return padded.reshape(rows, 4 * units)
