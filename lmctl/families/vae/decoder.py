"""The decoder of a variational autoencoder in NumPy: an LSTM that reads a word and a code at every step.

Axes: R rows, one for each word and code that are read; Z elements of a code, H hidden units, L layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.lstm import LSTMLayer, activate, in_query_order
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.vae.sizes import VAESizes
    from lmctl.layers.embedding import WordVectors


class Decoder:
    """The layers of the decoder. A row of an answer does not depend on the other rows.

    Args:
        sizes: the dimensions.
        embedding: the word vectors of the input.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: VAESizes, embedding: WordVectors, weights: Mapping[str, Float32Array]) -> None:
        self._embedding = embedding
        self._layers = []
        for index in range(sizes.layers):
            kernel, recurrent_kernel, bias = (
                weights[f"decoder.{index}.{name}"] for name in ("kernel", "recurrent_kernel", "bias")
            )
            if not index:
                self._code_kernel = ExactMatrix(in_query_order(kernel[sizes.embedding_dim :]))
                kernel = kernel[: sizes.embedding_dim]
            self._layers.append(LSTMLayer.from_keras(kernel, recurrent_kernel, bias))

    def of_codes(self, codes: Float32Array) -> Float32Array:
        """The contribution of codes (N, Z) to the gates of the first layer, (N, 4H)."""
        return self._code_kernel.times_rows(codes)

    def of_words(self, token_ids: IntArray) -> Float32Array:
        """The contribution of words to the gates of the first layer, (T, B, 4H), from ids (T, B)."""
        # The product of a word is made once, however often the word is there.
        words, places = np.unique(token_ids, return_inverse=True)
        return self._layers[0].input_gates(self._embedding(words))[places.reshape(token_ids.shape)]

    def step(
        self, gates: Float32Array, hidden: Float32Array, cell: Float32Array
    ) -> tuple[Float32Array, Float32Array]:
        """Read one word under one code in each row.

        Args:
            gates: the sum of `of_words` and `of_codes`, (R, 4H); changed in place.
            hidden: outputs of all layers before the step, (L, R, H).
            cell: cells of all layers before the step, (L, R, H).

        Returns:
            Outputs and cells after the step, (L, R, H) each.
        """
        after, new_cell = np.empty_like(hidden), np.empty_like(cell)
        for index, layer in enumerate(self._layers):
            if index:
                gates = layer.input_gates(after[index - 1])
            # A step has a row for each code, so one product of all rows is faster than one product a row.
            gates += layer.exact_recurrent_kernel.times_rows(hidden[index])
            new_cell[index] = activate(gates, cell[index], after[index])
        return after, new_cell
