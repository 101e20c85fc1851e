"""Word vectors in Keras: one table for all words, or one for each cluster of words of similar frequency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.layers.clusters import first_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.layers.clusters import Cluster


class WordVectors(keras.layers.Layer):  # type: ignore[misc]
    """The vectors of all words, of length D.

    The table of a further cluster has shorter vectors, and a projection to length D (Baevski & Auli 2019,
    arXiv:1809.10853). One cluster is an ordinary embedding table.

    Args:
        clusters: number of words and length of vectors of each table. The vectors of the first have length D.
        initializer: a function that makes the initializer of a table.
        seed: the initial values of the projections follow from it.
        name: name of the layer.
        shared: whether a softmax reads the tables, too.
    """

    def __init__(
        self, clusters: Sequence[Cluster], *, initializer: Any, seed: int, name: str, shared: bool = False
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.clusters = clusters
        self._shared = shared
        self.first_ids = first_ids(clusters)
        self.dim = clusters[0].width
        self.tables = [
            self.add_weight(
                shape=(cluster.words, cluster.width), initializer=initializer(), name=f"{name}_table_{index}"
            )
            for index, cluster in enumerate(clusters)
        ]
        # With variance 1 / width, projected vectors are about as long as the vectors of the first table.
        self.projections = [
            self.add_weight(
                shape=(cluster.width, self.dim),
                initializer=keras.initializers.RandomNormal(
                    stddev=1 / math.sqrt(cluster.width), seed=seed + index
                ),
                name=f"{name}_projection_{index}",
            )
            for index, cluster in enumerate(clusters[1:], start=1)
        ]
        self.built = True

    def cluster_of(self, token_ids: Any) -> Any:
        """The cluster of each token, (N,) int32."""
        later = [tf.cast(token_ids >= first, tf.int32) for first in self.first_ids[1:]]
        return tf.add_n([tf.zeros_like(token_ids), *later])

    def call(self, token_ids: Any) -> Any:
        """Vectors (N, D) of token ids (N,)."""
        if not self.projections:
            return tf.gather(self._table(0), token_ids)
        cluster_of, count = self.cluster_of(token_ids), len(self.clusters)
        places = tf.dynamic_partition(tf.range(tf.size(token_ids)), cluster_of, count)
        members = tf.dynamic_partition(token_ids, cluster_of, count)
        vectors = [
            self._lengthened(tf.gather(self._table(index), ids - self.first_ids[index]), index)
            for index, ids in enumerate(members)
        ]
        return tf.ensure_shape(tf.dynamic_stitch(places, vectors), (None, self.dim))

    def named_weights(self) -> dict[str, Any]:
        """The variables by their names in a bundle: NAME, or NAME.0, NAME.1, NAME.1.projection and so on."""
        if not self.projections:
            return {self.name: self.tables[0]}
        named = {f"{self.name}.{index}": table for index, table in enumerate(self.tables)}
        return named | {
            f"{self.name}.{index}.projection": projection
            for index, projection in enumerate(self.projections, start=1)
        }

    def _table(self, index: int) -> Any:
        """The table of a cluster, from which rows are gathered.

        TensorFlow 2.21 copies a whole variable at each read once some of its rows were read or written by
        themselves. So the rows of a table that nothing else reads are read by themselves, and it is never read as
        a whole. A table that a softmax reads, too, is always read as a whole.
        """
        table = self.tables[index]
        return tf.convert_to_tensor(table) if self._shared else table.value

    def _lengthened(self, vectors: Any, cluster: int) -> Any:
        return tf.matmul(vectors, self.projections[cluster - 1]) if cluster else vectors
