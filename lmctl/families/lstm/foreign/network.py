"""An LSTM language model as another program has it, and its weights in lmctl's form: `ForeignLSTM`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.network_keys import MOST_RECURRENT_LAYERS
from lmctl.layers.clusters import one_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray

MISFITS = "the shapes of the weights do not fit each other"
# The logit of a word that the model does not have: its probability is about 10^-100, as an ARPA file without
# `<unk>` gives it in KenLM.
ABSENT_LOGIT = -100 * np.log(10)
# A gate whose sum is this is exactly open, and with the other sign exactly closed, in float32.
SATURATED = 120.0
# The output of a unit whose gates are open, and whose candidate is 1.
_OPEN_UNIT = np.tanh(1.0)


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
        """Refuse weights whose shapes do not fit each other, weights that are not finite, and too many layers.

        Only the bias of a word that the network never predicts may be minus infinity.

        Raises:
            DataError: they do not fit, one is not finite, or there are more layers than a configuration may have.
        """
        matrices = [self.embedding, self.output]
        vectors = [self.output_bias]
        for layer in self.layers:
            matrices += [layer.kernel, layer.recurrent_kernel]
            vectors.append(layer.bias)
        if any(each.ndim != 2 for each in matrices) or any(each.ndim != 1 for each in vectors):
            raise DataError(f"{path}: the weights are no matrices")
        if (count := len(self.layers)) > MOST_RECURRENT_LAYERS:
            raise DataError(
                f"{path}: has {count} LSTM layers; lmctl reads networks of up to {MOST_RECURRENT_LAYERS}"
            )
        width = self.embedding.shape[1]
        fits = len(self.embedding) == len(self.output) == self.vocabulary_size > 0 and width > 0
        for layer in self.layers:
            gates = 4 * layer.units
            fits &= gates > 0 and layer.kernel.shape == (width, gates) and layer.bias.shape == (gates,)
            fits &= layer.recurrent_kernel.shape == (layer.units, gates)
            width = layer.units
        if not fits or self.output.shape[1] != width:
            raise DataError(f"{path}: {MISFITS}")
        impossible = np.isneginf(self.output_bias)
        vectors[0] = np.where(impossible, 0, self.output_bias)
        if impossible.all() or not all(np.isfinite(each).all() for each in (*matrices, *vectors)):
            raise DataError(f"{path}: a weight is infinite, NaN or too large for float32")

    def in_own_form(self, rows: IntArray) -> tuple[LSTMSizes, dict[str, Any], dict[str, Float32Array]]:
        """See `ForeignModel.in_own_form`.

        All layers of lmctl have the same number of units. Units that are added to a smaller layer have weights of
        zeros, so their output is 0. If the network has no end of a sentence, reading one makes the state zeros, so
        that a sentence starts as a text does in the other program.
        """
        if rows[SENTENCE_END_ID] < 0:
            sizes, config, weights = self._with_restart().in_own_form(np.where(rows < 0, 0, rows))
            absent = np.flatnonzero(rows < 0)
            weights["embedding"][absent] = 0
            weights["embedding"][SENTENCE_END_ID, -1] = 1
            weights["softmax.embedding"][absent] = 0
            weights["softmax.bias"][absent] = ABSENT_LOGIT
            return sizes, config, weights
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

    def _with_restart(self) -> ForeignLSTM:
        """The same network with one more element in each vector, last, that makes all states zeros where it is 1.

        It closes the input and forget gates of a layer, and goes on to the next layer through a unit of its own.
        Its weights are no larger than that takes: with a number far above the others, a column of an `ExactMatrix`
        has fewer digits for these.
        """
        layers = []
        for layer in self.layers:
            # An output is from -1 to 1. So where all other inputs are 0, no gate has a larger sum.
            largest = (np.abs(layer.recurrent_kernel).sum(axis=0) + np.abs(layer.bias)).max()
            closing = np.float32((largest + SATURATED) / _OPEN_UNIT)
            kernel, recurrent_kernel, bias = (
                _with_unit(weights, more_rows)
                for weights, more_rows in ((layer.kernel, 1), (layer.recurrent_kernel, 1), (layer.bias[None], 0))
            )
            entering, forget, candidate, output = range(4)
            kernel[-1, entering, :-1] = kernel[-1, forget, :-1] = -closing
            kernel[-1, candidate, -1] = SATURATED
            # The new unit copies its input, and forgets it at the next step.
            bias[0, entering, -1] = bias[0, output, -1] = SATURATED
            bias[0, forget, -1] = -SATURATED
            flat = [values.reshape(len(values), -1) for values in (kernel, recurrent_kernel, bias)]
            layers.append(ForeignLayer(flat[0], flat[1], flat[2][0]))
        embedding, output_vectors = (np.pad(table, ((0, 0), (0, 1))) for table in (self.embedding, self.output))
        return ForeignLSTM(embedding, layers, output_vectors, self.output_bias)


def _with_unit(weights: Float32Array, more_rows: int) -> Float32Array:
    """Weights (N, 4H) as (N + more_rows, 4, H + 1), with zeros in what is new."""
    gates = weights.reshape(len(weights), 4, -1)
    return np.pad(gates, ((0, more_rows), (0, 0), (0, 1)))


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
