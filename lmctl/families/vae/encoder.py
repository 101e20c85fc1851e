"""The encoder of a variational autoencoder in NumPy: the posterior distribution of a sentence's code.

`VAENetwork.encoded` in keras/network.py computes the same in Keras.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.families.base import POSITIONS_AT_ONCE
from lmctl.layers.lstm import LSTMLayer
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.layers.embedding import WordVectors


class Encoder:
    """An LSTM that reads a sentence from a state of zeros, and a dense layer on its last output.

    The answer for a sentence does not depend on the sentences beside it.

    Args:
        embedding: the word vectors of the input.
        weights: by the names of `weight_shapes`, float32.
    """

    def __init__(self, embedding: WordVectors, weights: Mapping[str, Float32Array]) -> None:
        self._embedding = embedding
        names = ("kernel", "recurrent_kernel", "bias")
        self._layer = LSTMLayer.from_keras(*(weights[f"encoder.{name}"] for name in names))
        self._kernel, self._bias = ExactMatrix(weights["code.kernel"]), weights["code.bias"]

    def posterior(self, token_ids: IntArray, lengths: IntArray) -> tuple[Float32Array, Float32Array]:
        """The normal distribution of the code of each sentence, whose elements are independent.

        Args:
            token_ids: sentences with the `</s>` at their end, (T, B).
            lengths: number of tokens of each sentence, (B,), 1 to T.

        Returns:
            Mean and natural log of the variance, (B, Z) each.
        """
        batch = token_ids.shape[1]
        hidden = np.zeros((batch, len(self._layer.recurrent_kernel)), dtype=np.float32)
        cell = hidden
        at_once = max(1, POSITIONS_AT_ONCE // batch)
        for first in range(0, len(token_ids), at_once):
            block = token_ids[first : first + at_once]
            there = np.clip(lengths - first, 0, len(block))
            gates = self._layer.input_gates(self._embedding(block.ravel())).reshape(*block.shape, -1)
            _, hidden, cell = self._layer.run(gates, hidden, cell, there)
        mean, log_variance = np.split(self._kernel.times_rows(hidden) + self._bias, 2, axis=1)
        return mean, log_variance
