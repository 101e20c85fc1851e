"""Output layers: from hidden vectors to a distribution over the vocabulary, in Keras.

The same in NumPy, for queries, is `layers/softmax.py`.
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

    Where the word vectors are in clusters, this is the adaptive softmax of Grave et al. 2017 (arXiv:1609.04309):
    the frequent words of the first cluster stand in the head beside one entry for each further cluster, and a rare
    word's probability is its cluster's times its own within the cluster. Only positions whose target is in a
    cluster compute that cluster. With one cluster it is the ordinary softmax over all words.

    Args:
        vectors: output embedding, of length D; the input embedding itself where the two are tied (Press & Wolf
            2017, arXiv:1608.05859).
        hidden_units: H. Where D is another length, a projection stands between.
        initializer: of the projection and the vectors of the clusters.
        dtype: of the matrix products.
        scatters: the gradient is changed in place at the targets, which saves a pass over the logits on a
            processor; on a GPU, TensorFlow's deterministic scatter would copy them to the host and back.
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
        """Nats of each target: minus its natural log probability, (N,), after hidden vectors (N, H).

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
        # dynamic_partition and dynamic_stitch are each other's gradient: what is left out costs nothing.
        places = tf.dynamic_partition(tf.range(tf.size(targets)), cluster_of, count)
        parts = tf.dynamic_partition(hidden, cluster_of, count)
        members = tf.dynamic_partition(targets, cluster_of, count)
        within = [tf.zeros_like(places[0], tf.float32)]
        for index in range(1, count):
            ids = members[index] - self.vectors.first_ids[index]
            within.append(self._nats(self._shortened(parts[index], index), *self._tail(index), ids))
        return nats + tf.dynamic_stitch(places, within)

    def named_weights(self) -> dict[str, Any]:
        """The variables by the names they have in a bundle, without the word vectors."""
        named = {"softmax.bias": self.bias}
        if self.projection is not None:
            named["softmax.projection"] = self.projection
        if self.cluster_vectors is not None:
            named |= {"softmax.clusters": self.cluster_vectors, "softmax.clusters.bias": self.cluster_bias}
        return named

    def _projected(self, hidden: Any) -> Any:
        return hidden if self.projection is None else product(hidden, self.projection, self._product_dtype)

    def _shortened(self, hidden: Any, cluster: int) -> Any:
        """Hidden vectors (N, D) as the words of a cluster meet them, (N, width)."""
        return product(hidden, self.vectors.projections[cluster - 1], self._product_dtype, transpose_b=True)

    def _head(self) -> tuple[Any, Any]:
        """Vectors and biases of the words of the first cluster, and of the clusters after it."""
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
        """Cross-entropy (N,) within one table, with a gradient that makes one pass less over the logits."""

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
                d_logits = exponentials * (d_nats[:, None] / sums)
                if self._scatters:
                    d_logits = tf.tensor_scatter_nd_sub(d_logits, places, d_nats)
                else:
                    d_logits -= tf.one_hot(targets, tf.shape(logits)[1]) * d_nats[:, None]
                return (
                    product(d_logits, table, self._product_dtype),
                    product(d_logits, hidden, self._product_dtype, transpose_a=True),
                    tf.reduce_sum(d_logits, axis=0),
                )

            return nats, gradient

        return nats_of(hidden, table, bias)
