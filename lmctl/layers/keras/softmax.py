"""The output layer in Keras: a softmax over the vocabulary, full or adaptive.

`layers/softmax.py` is the same layer in NumPy, for queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.layers.keras.products import product

if TYPE_CHECKING:
    from lmctl.layers.keras.embedding import WordVectors


class Softmax(keras.layers.Layer):  # type: ignore[misc]
    """A normalised distribution over the vocabulary: products with word vectors, plus a bias.

    With one cluster it is the ordinary softmax over all words. With more it is the adaptive softmax of Grave et
    al. 2017 (arXiv:1609.04309). Its head is a softmax over the words of the first cluster and the further
    clusters. The probability of a word of a further cluster is the probability of its cluster times its
    probability within the cluster. A cluster is computed only at positions whose target is in it.

    Args:
        vectors: output word vectors, of length D. If embedding and softmax are tied, these are the input word
            vectors (Press & Wolf 2017, arXiv:1608.05859).
        hidden_units: H. If D is not H, a projection is applied to hidden vectors.
        initializer: a function that makes the initializer of the projection and of the vectors of clusters.
        dtype: type of the factors of matrix products.
        scatters: whether gradients are updated in place at the targets. On a processor this saves two passes over
            the logits. On a GPU, TensorFlow's deterministic scatter would copy tables to the host and back.
    """

    def __init__(
        self,
        vectors: WordVectors,
        hidden_units: int,
        *,
        initializer: Any,
        dtype: str = "float32",
        scatters: bool = True,
    ) -> None:
        super().__init__(name="softmax", dtype="float32")
        self.vectors = vectors
        self._scatters = scatters
        self._product_dtype = dtype
        self._head_words = vectors.clusters[0].words
        tails = len(vectors.clusters) - 1
        self.projection: Any = None
        if vectors.dim != hidden_units:
            self.projection = self.add_weight(
                shape=(hidden_units, vectors.dim), initializer=initializer(), name="projection"
            )
        self.cluster_vectors: Any = None
        if tails:
            self.cluster_vectors = self.add_weight(
                shape=(tails, vectors.dim), initializer=initializer(), name="clusters"
            )
            self.cluster_bias = self.add_weight(shape=(tails,), initializer="zeros", name="cluster_bias")
        self.bias = self.add_weight(
            shape=(sum(cluster.words for cluster in vectors.clusters),), initializer="zeros", name="bias"
        )
        self.built = True

    def call(self, hidden: Any) -> Any:
        """Natural log probabilities of all words, (N, V) float32, after hidden vectors (N, H)."""
        hidden = self._projected(hidden)
        head = tf.nn.log_softmax(self._logits(hidden, *self._head()))
        parts = [head[:, : self._head_words]]
        for index in range(1, len(self.vectors.clusters)):
            within = tf.nn.log_softmax(self._logits(self._shortened(hidden, index), *self._tail(index)))
            parts.append(head[:, self._head_words + index - 1, None] + within)
        return tf.concat(parts, axis=1)

    def cross_entropy(self, hidden: Any, targets: Any) -> Any:
        """Cross-entropy of each target in nats, (N,) float32, after hidden vectors (N, H).

        Args:
            hidden: (N, H).
            targets: token ids, (N,).
        """
        hidden = self._projected(hidden)
        if self.cluster_vectors is None:
            return self._nats(hidden, *self._head(), targets)
        cluster_of, count = self.vectors.cluster_of(targets), len(self.vectors.clusters)
        in_head = tf.where(cluster_of == 0, targets, self._head_words + cluster_of - 1)
        nats = self._nats(hidden, *self._head(), in_head)
        # dynamic_partition and dynamic_stitch are gradients of each other, so positions that are left out cost
        # nothing.
        places = tf.dynamic_partition(tf.range(tf.size(targets)), cluster_of, count)
        parts = tf.dynamic_partition(hidden, cluster_of, count)
        members = tf.dynamic_partition(targets, cluster_of, count)
        within = [tf.zeros_like(places[0], tf.float32)]
        for index in range(1, count):
            ids = members[index] - self.vectors.first_ids[index]
            within.append(self._nats(self._shortened(parts[index], index), *self._tail(index), ids))
        return nats + tf.dynamic_stitch(places, within)

    def named_weights(self) -> dict[str, Any]:
        """The variables by their names in a bundle, without the word vectors."""
        named = {"softmax.bias": self.bias}
        if self.projection is not None:
            named["softmax.projection"] = self.projection
        if self.cluster_vectors is not None:
            named |= {"softmax.clusters": self.cluster_vectors, "softmax.clusters.bias": self.cluster_bias}
        return named

    def _projected(self, hidden: Any) -> Any:
        return hidden if self.projection is None else product(hidden, self.projection, self._product_dtype)

    def _shortened(self, hidden: Any, cluster: int) -> Any:
        """Hidden vectors (N, D) shortened to the length of the vectors of a cluster, (N, width)."""
        return product(hidden, self.vectors.projections[cluster - 1], self._product_dtype, transpose_b=True)

    def _head(self) -> tuple[Any, Any]:
        """Vectors and biases of the words of the first cluster and of the further clusters."""
        table, bias = self.vectors.tables[0], self.bias[: self._head_words]
        if self.cluster_vectors is None:
            return tf.convert_to_tensor(table), bias
        return tf.concat([table, self.cluster_vectors], axis=0), tf.concat([bias, self.cluster_bias], axis=0)

    def _tail(self, cluster: int) -> tuple[Any, Any]:
        first, size = self.vectors.first_ids[cluster], self.vectors.clusters[cluster].words
        return tf.convert_to_tensor(self.vectors.tables[cluster]), self.bias[first : first + size]

    def _logits(self, hidden: Any, table: Any, bias: Any) -> Any:
        return product(hidden, table, self._product_dtype, transpose_b=True) + bias

    def _nats(self, hidden: Any, table: Any, bias: Any, targets: Any) -> Any:
        """Cross-entropy (N,) within one table, with a gradient that needs few passes over the logits."""

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def nats_of(hidden: Any, table: Any, bias: Any) -> Any:
            logits = self._logits(hidden, table, bias)
            # The row maximum cancels in softmax and keeps exp() finite.
            largest = tf.reduce_max(logits, axis=1, keepdims=True)
            exponentials = tf.exp(logits - largest)
            sums = tf.reduce_sum(exponentials, axis=1, keepdims=True)
            places = tf.stack([tf.range(tf.size(targets)), targets], axis=1)
            nats = (largest + tf.math.log(sums))[:, 0] - tf.gather_nd(logits, places)

            def gradient(d_nats: Any) -> Any:
                scale = d_nats[:, None] / sums
                if not self._scatters:
                    d_logits = exponentials * scale - tf.one_hot(targets, tf.shape(logits)[1]) * d_nats[:, None]
                    return (
                        product(d_logits, table, self._product_dtype),
                        product(d_logits, hidden, self._product_dtype, transpose_a=True),
                        tf.reduce_sum(d_logits, axis=0),
                    )
                # A row of d_logits is a row of the exponentials times a number, minus another at the target. The
                # numbers are applied to the products, which are far smaller than the logits.
                d_hidden = product(exponentials, table, self._product_dtype) * scale
                d_table = product(exponentials, hidden * scale, self._product_dtype, transpose_a=True)
                d_bias = tf.linalg.matvec(exponentials, scale[:, 0], transpose_a=True)
                subtract, rows = tf.tensor_scatter_nd_sub, targets[:, None]
                return (
                    d_hidden - tf.gather(table, targets) * d_nats[:, None],
                    subtract(d_table, rows, hidden * d_nats[:, None]),
                    subtract(d_bias, rows, d_nats),
                )

            return nats, gradient

        return nats_of(hidden, table, bias)
