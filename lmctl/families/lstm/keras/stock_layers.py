"""The LSTM language model from Keras's own layers, for programs that have Keras and not lmctl.

The model reads token ids (N, L) and gives the probability of every word after each of them, (N, L, V). It starts
from a state of zeros; a sentence starts with `</s>`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from lmctl.layers.embedding import WordVectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array
    from lmctl.families.lstm.sizes import LSTMSizes


def stock_model(sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> keras.Model:
    """Build the model.

    An adaptive softmax becomes a dense layer for the head and two for each further cluster, whose probabilities
    are multiplied by that of the cluster in the head. Input word vectors in clusters become one table.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """
    layers = sizes.word_layers
    embedding = WordVectors("embedding", layers.input_clusters, weights)
    output = embedding if layers.tied else WordVectors("softmax.embedding", layers.clusters, weights)
    values: dict[str, list[Float32Array]] = {}

    def weighted(layer: keras.Layer, *arrays: Float32Array) -> keras.Layer:
        values[layer.name] = list(arrays)
        return layer

    def dense(name: str, kernel: Float32Array, bias: Float32Array | None = None) -> keras.Layer:
        """A softmax if there is a bias, else a product."""
        activation = None if bias is None else "softmax"
        layer = keras.layers.Dense(kernel.shape[1], activation=activation, use_bias=bias is not None, name=name)
        return weighted(layer, kernel, *(() if bias is None else (bias,)))

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    table = embedding(np.arange(sizes.vocabulary_size))
    hidden = weighted(keras.layers.Embedding(*table.shape, name="embedding"), table)(token_ids)
    for number in range(sizes.layers):
        of_layer = [weights[f"lstm.{number}.{part}"] for part in ("kernel", "recurrent_kernel", "bias")]
        lstm = keras.layers.LSTM(sizes.hidden_units, return_sequences=True, name=f"lstm_{number}")
        hidden = weighted(lstm, *of_layer)(hidden)
    if "softmax.projection" in weights:
        hidden = dense("projection", weights["softmax.projection"])(hidden)
    bias, head_words = weights["softmax.bias"], layers.clusters[0].words
    if len(layers.clusters) == 1:
        probs = dense("softmax", output.tables[0].T, bias)(hidden)
    else:
        vectors = np.concatenate([output.tables[0], weights["softmax.clusters"]])
        head = dense("head", vectors.T, np.concatenate([bias[:head_words], weights["softmax.clusters.bias"]]))(
            hidden
        )
        parts = [_columns(head, 0, head_words, "head_words")]
        for cluster, first in enumerate(output.first_ids[1:], start=1):
            of_words = bias[first : first + layers.clusters[cluster].words]
            shortened = dense(f"shorten_{cluster}", output.projections[cluster - 1].T)(hidden)
            within = dense(f"cluster_{cluster}", output.tables[cluster].T, of_words)(shortened)
            entry = _columns(head, head_words + cluster - 1, 1, f"entry_{cluster}")
            parts.append(keras.layers.Multiply(name=f"words_{cluster}")([within, entry]))
        probs = keras.layers.Concatenate(name="softmax")(parts)
    model = keras.Model(token_ids, probs, name="lmctl")
    for name, arrays in values.items():
        model.get_layer(name).set_weights(arrays)
    return model


def _columns(values: keras.KerasTensor, first: int, size: int, name: str) -> keras.KerasTensor:
    """Columns of the last axis of (N, L, W). Keras has a layer that cuts the axis before it."""
    cropped = keras.layers.Cropping1D((first, values.shape[-1] - first - size), name=f"{name}_cut")
    turned = keras.layers.Permute((2, 1), name=f"{name}_turned")(values)
    return keras.layers.Permute((2, 1), name=name)(cropped(turned))
