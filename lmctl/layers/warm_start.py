"""Warm start: initial weights of a network from an older network with another vocabulary.

Words are matched by spelling. docs/warm-start.md, "Which weights", states the rule for each kind of weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.clusters import first_ids
from lmctl.layers.embedding import WordVectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, IntArray
    from lmctl.layers.clusters import Cluster
    from lmctl.layers.word_layers import WordLayers

    Weights = dict[str, Float32Array]


# The bias of a word that training has made improbable is above this. An import gives a word that the network did
# not have the log of 1e-100.
_LEAST_BIAS = -100.0


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Numbers of words of a warm start.

    Attributes:
        kept: words in the same cluster as before, whose rows were copied.
        moved: words in another cluster than before, whose rows were computed from their old vectors.
        new: words that are not in the old vocabulary.
        gone: words of the old vocabulary that are not in the new one.
    """

    kept: int
    moved: int
    new: int
    gone: int


def carry_over(
    weights: Mapping[str, Float32Array],
    old: WordLayers,
    new: WordLayers,
    names: Iterable[str],
    old_ids: IntArray,
) -> tuple[Weights, RowCounts]:
    """Make the initial weights from an older network.

    Args:
        weights: the weights of the old network, by name.
        old: the word layers of the old network.
        new: those of the network to be trained; they differ in the vocabulary and its clusters alone.
        names: of all weights of the network to be trained.
        old_ids: the id that each word of the new vocabulary had in the old one, (V,); -1 if it had none.

    Returns:
        The weights in the order of `names`, and the numbers of words that were kept, moved, new and gone.
    """
    carried: Weights = {}
    # A word that the old network could not predict, because another program trained it without that word, is new
    # to the softmax. Training would take very long to raise such a bias. No mean has its vector, either: an import
    # makes one that sets all states to zeros, and a small share of it closes most gates of the second layer.
    is_possible = (old_ids >= 0) & (weights["softmax.bias"][old_ids] > _LEAST_BIAS)
    predicted_ids = np.where(is_possible, old_ids, -1)
    input_ids = predicted_ids if new.tied else old_ids
    vectors = _Rows("embedding", old.input_clusters, new.input_clusters, weights, input_ids, is_possible)
    carried |= vectors.weights
    output = vectors
    if not new.tied:
        output = _Rows("softmax.embedding", old.clusters, new.clusters, weights, predicted_ids, is_possible)
        carried |= output.weights
    carried["softmax.bias"] = _biases(weights["softmax.bias"], output)
    if len(new.clusters) > 1:
        if len(old.clusters) == len(new.clusters):
            clusters, bias = weights["softmax.clusters"], weights["softmax.clusters.bias"]
        else:
            clusters = np.stack([part.mean(axis=0) for part in output.effective[1:]])
            # With this bias, a cluster is as probable at the start as all its words together.
            bias = np.array([np.log(cluster.words) for cluster in new.clusters[1:]], dtype=np.float32)
        carried |= {"softmax.clusters": clusters, "softmax.clusters.bias": bias}
    known = int(np.count_nonzero(predicted_ids >= 0))
    kept = sum(int(np.count_nonzero(stays)) for stays in output.stays)
    gone = old.vocabulary_size - int(np.count_nonzero(old_ids >= 0))
    counts = RowCounts(kept=kept, moved=known - kept, new=len(old_ids) - known, gone=gone)
    return {name: carried[name] if name in carried else weights[name] for name in names}, counts


def carried_rows(old: WordLayers, new: WordLayers, old_ids: IntArray) -> dict[str, IntArray]:
    """For each weight with a row for each word, which row of the older weight each row is.

    Args:
        old: the word layers of the old network.
        new: those of the network to be trained.
        old_ids: as in `carry_over`.

    Returns:
        By name, the old rows (rows,); -1: the row was made anew.
    """
    rows = {"softmax.bias": old_ids}
    tables = [("embedding", old.input_clusters, new.input_clusters)]
    if not new.tied:
        tables.append(("softmax.embedding", old.clusters, new.clusters))
    for name, before, after in tables:
        for index, (cluster, first) in enumerate(zip(after, first_ids(after), strict=True)):
            origin = np.full(cluster.words, -1)
            if len(before) == len(after) and before[index].width == cluster.width:
                places = old_ids[first : first + cluster.words] - first_ids(before)[index]
                stays = (places >= 0) & (places < before[index].words)
                origin[stays] = places[stays]
            rows[_table(name, index, after)] = origin
    return rows


def _table(name: str, index: int, clusters: Sequence[Cluster]) -> str:
    """The name of the table of a cluster."""
    return name if len(clusters) == 1 else f"{name}.{index}"


class _Rows:
    """The word vectors of an embedding or a softmax, by the new ids.

    Args:
        name: start of the names of the weights.
        old: the clusters of the old network.
        new: those of the network to be trained.
        weights: of the old network, by name.
        old_ids: the old id of each word, (V,); -1: its vector is made anew.
        is_possible: whether the old network could predict each word, (V,). The others are left out of means.

    Attributes:
        weights: tables and projections by name.
        stays: for each new cluster, whether each of its words was in the same cluster before, (words,) bool.
        effective: for each new cluster, the vectors of its words at full length, (words, D).
    """

    def __init__(
        self,
        name: str,
        old: Sequence[Cluster],
        new: Sequence[Cluster],
        weights: Mapping[str, Float32Array],
        old_ids: IntArray,
        is_possible: BoolArray,
    ) -> None:
        before = WordVectors(name, old, weights)
        self.weights: Weights = {}
        self.stays: list[NDArray[np.bool_]] = []
        self.effective: list[Float32Array] = []
        # The old cluster of each word, -1 if it has none, and the new cluster.
        self.cluster_before = np.where(old_ids >= 0, before.cluster_of(old_ids), -1)
        self.cluster_after = np.repeat(np.arange(len(new)), [cluster.words for cluster in new])
        self.old_ids = old_ids
        for index, (cluster, first) in enumerate(zip(new, first_ids(new), strict=True)):
            there = slice(first, first + cluster.words)
            ids, is_known = old_ids[there], old_ids[there] >= 0
            vectors = np.empty((cluster.words, new[0].width), dtype=np.float32)
            vectors[is_known] = before(ids[is_known])
            # If all words of a cluster are new, their vectors start as the mean of all known words; if no word is
            # known, as that of all old words.
            counts = is_possible[there]
            all_known = old_ids[is_possible] if is_possible.any() else np.arange(sum(part.words for part in old))
            vectors[~is_known] = (vectors[counts] if counts.any() else before(all_known)).mean(axis=0)
            stays = self.cluster_before[there] == index
            if not index:
                rows, projection = vectors, None
            else:
                same_shape = len(old) == len(new) and old[index].width == cluster.width
                if same_shape:
                    projection = before.projections[index - 1]
                else:
                    projection, stays = _principal_directions(vectors, cluster.width), np.zeros_like(stays)
                rows = (vectors @ np.linalg.pinv(projection)).astype(np.float32)
                rows[stays] = (
                    before.tables[index][ids[stays] - before.first_ids[index]] if same_shape else rows[stays]
                )
                self.weights[f"{name}.{index}.projection"] = projection
            self.weights[_table(name, index, new)] = rows
            self.stays.append(stays)
            self.effective.append(vectors)


def _principal_directions(vectors: Float32Array, width: int) -> Float32Array:
    """The orthonormal directions (width, D) along which vectors (N, D) are longest."""
    double = vectors.astype(np.float64)
    # eigh returns eigenvalues in rising order. The sign of an eigenvector depends on the library, so it is fixed
    # here.
    _, directions = np.linalg.eigh(double.T @ double)
    chosen = directions[:, ::-1][:, :width].T
    largest = np.take_along_axis(chosen, np.abs(chosen).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(chosen * np.sign(largest), dtype=np.float32)


def _biases(before: Float32Array, rows: _Rows) -> Float32Array:
    """The biases of the words, (V,)."""
    known = rows.old_ids >= 0
    biases = np.zeros(len(rows.old_ids), dtype=np.float32)
    biases[known] = before[rows.old_ids[known]]
    was_in, is_in = rows.cluster_before, rows.cluster_after
    stays = known & (was_in == is_in)
    # The mean bias of the words that stay in a cluster.
    usual = np.array(
        [
            biases[stays & (is_in == cluster)].mean() if (stays & (is_in == cluster)).any() else 0.0
            for cluster in range(max(int(was_in.max()), int(is_in.max())) + 1)
        ],
        dtype=np.float32,
    )
    moves = known & ~stays
    biases[moves] += usual[is_in[moves]] - usual[was_in[moves]]
    biases[~known] = usual[is_in[~known]]
    return biases
