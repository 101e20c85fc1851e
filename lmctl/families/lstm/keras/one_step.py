"""One step of the LSTM language model as a TensorFlow function of constants, for LiteRT.

A step reads a token and a state. A function of a whole text would need operators that LiteRT does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from lmctl.layers.embedding import WordVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array
    from lmctl.families.lstm.sizes import LSTMSizes


def make_step(sizes: LSTMSizes, weights: Mapping[str, Float32Array]) -> Callable[..., dict[str, Any]]:
    """Make the function.

    It takes `token`, (1,) int32, and `hidden` and `cell`, (L, 1, H) float32, zeros before the first token. It
    returns `log_probs`, (1, V), `next_hidden` and `next_cell`.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """
    layers = sizes.word_layers
    embedding = WordVectors("embedding", layers.input_clusters, weights)
    output = embedding if layers.tied else WordVectors("softmax.embedding", layers.clusters, weights)
    table = embedding(np.arange(sizes.vocabulary_size))
    bias, head_words = weights["softmax.bias"], layers.clusters[0].words

    def log_probs_of(features: Any) -> Any:
        if "softmax.projection" in weights:
            features = features @ weights["softmax.projection"]
        if len(layers.clusters) == 1:
            return tf.nn.log_softmax(features @ output.tables[0].T + bias)
        vectors = np.concatenate([output.tables[0], weights["softmax.clusters"]])
        head_bias = np.concatenate([bias[:head_words], weights["softmax.clusters.bias"]])
        head = tf.nn.log_softmax(features @ vectors.T + head_bias)
        parts = [head[:, :head_words]]
        for cluster, first in enumerate(output.first_ids[1:], start=1):
            of_words = bias[first : first + layers.clusters[cluster].words]
            within = features @ output.projections[cluster - 1].T @ output.tables[cluster].T + of_words
            entry = head_words + cluster - 1
            parts.append(tf.nn.log_softmax(within) + head[:, entry : entry + 1])
        return tf.concat(parts, axis=1)

    state = tf.TensorSpec((sizes.layers, 1, sizes.hidden_units), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1,), tf.int32), state, state])  # type: ignore[untyped-decorator]
    def step(token: Any, hidden: Any, cell: Any) -> dict[str, Any]:
        outputs = tf.gather(table, token)
        after: tuple[list[Any], list[Any]] = ([], [])
        for number in range(sizes.layers):
            kernel, recurrent_kernel, of_gates = (
                weights[f"lstm.{number}.{part}"] for part in ("kernel", "recurrent_kernel", "bias")
            )
            gates = outputs @ kernel + hidden[number] @ recurrent_kernel + of_gates
            entering, forget, candidate, opened = tf.split(gates, 4, axis=1)
            new_cell = tf.sigmoid(forget) * cell[number] + tf.sigmoid(entering) * tf.tanh(candidate)
            outputs = tf.sigmoid(opened) * tf.tanh(new_cell)
            after[0].append(outputs)
            after[1].append(new_cell)
        return {
            "log_probs": log_probs_of(outputs),
            "next_hidden": tf.stack(after[0]),
            "next_cell": tf.stack(after[1]),
        }

    return step  # type: ignore[no-any-return]
