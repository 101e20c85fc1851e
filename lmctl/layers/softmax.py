"""Output layers in NumPy: a normalised distribution over the whole vocabulary."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.best_words import BestWords
from lmctl.layers.distributions import check_log_probs, drawn, drawn_tokens, largest
from lmctl.layers.embedding import WordVectors
from lmctl.layers.products import ExactMatrix
from lmctl.layers.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.layers.word_layers import WordLayers

# Most logits (positions times words) in memory at once: 32 MiB as float64, 16 MiB as float32.
LOGITS_AT_ONCE = 1 << 22
# The same within a cluster. Its vectors are short, so a pass over them for fewer positions costs little.
LOGITS_OF_CLUSTER_AT_ONCE = 1 << 21
# With more rows than this, arithmetic takes longer than reading a table, and a screen saves no time.
MOST_SCREENED = 8


class FullSoftmax:
    """A softmax over all words. A logit is the product of the hidden vector and the word vector, plus a bias.

    Args:
        embedding: output word vectors, (V, H), or (V, E) with a projection.
        bias: (V,).
        projection: (H, E), applied to hidden vectors; None: E equals H.
    """

    def __init__(
        self, embedding: Float32Array, bias: Float32Array, projection: Float32Array | None = None
    ) -> None:
        self.bias = bias
        self._projection = None if projection is None else ExactMatrix(projection)
        self._words = ExactMatrix(embedding.T)

    def log_probs(self, hidden: Float32Array) -> Float32Array:
        """Natural log probabilities, (N, V), of hidden vectors (N, H)."""
        log_probs = np.empty((len(hidden), len(self.bias)), dtype=np.float32)
        for rows in _row_blocks(len(hidden), len(self.bias)):
            log_probs[rows] = _log_softmax(self._logits(hidden[rows]))
        return log_probs

    def top_k(self, hidden: Float32Array, k: int, allowed: BoolArray | None) -> tuple[IntArray, Float32Array]:
        """The k most probable tokens of each row, (N, k), as `LanguageModel.top_k` has them."""
        log_probs = self.log_probs(hidden)
        candidates = np.arange(len(self.bias)) if allowed is None else np.flatnonzero(allowed)
        return largest(log_probs[:, candidates], candidates, min(k, len(candidates)))

    def sample(self, hidden: Float32Array, uniforms: Float64Array, excluded: int) -> tuple[IntArray, Float32Array]:
        """A drawn token of each row, (N,), and its log probability, as `LanguageModel.sample` has them."""
        return drawn_tokens(self.log_probs(hidden), uniforms, excluded)

    def score(
        self, hidden: Float32Array, targets: IntArray, *, ranks: bool
    ) -> tuple[Float64Array, NDArray[np.int64] | None]:
        """Natural log probability of each target, (N,), and its rank, (N,), if asked for.

        Args:
            hidden: (N, H).
            targets: token ids, (N,).
            ranks: whether to count how many words are at least as probable as the target.
        """
        log_probs = np.empty(len(targets), dtype=np.float64)
        target_ranks = np.empty(len(targets), dtype=np.int64) if ranks else None
        for rows in _row_blocks(len(targets), len(self.bias)):
            logits = self._logits(hidden[rows])
            of_targets = np.take_along_axis(logits, targets[rows, None], axis=1)
            if target_ranks is not None:
                target_ranks[rows] = np.count_nonzero(logits >= of_targets, axis=1)
            log_probs[rows] = of_targets[:, 0] - _log_sum_exp(logits)
        return log_probs, target_ranks

    def _logits(self, hidden: Float32Array) -> Float32Array:
        if self._projection is not None:
            hidden = self._projection.times_rows(hidden)
        logits = self._words.times_rows(hidden)
        logits += self.bias
        return logits


class AdaptiveSoftmax:
    """An adaptive softmax (Grave et al. 2017, arXiv:1609.04309), exactly normalised.

    The head is a softmax over the words of the first cluster and the further clusters. The probability of a word
    of a further cluster is the probability of its cluster times its probability within the cluster.

    Args:
        vectors: output word vectors in C clusters; the vectors of the first have length D.
        bias: bias of each word, (V,).
        cluster_vectors: vector of each further cluster, (C - 1, D).
        cluster_bias: bias of each further cluster, (C - 1,).
        projection: (H, D), applied to hidden vectors; None: D equals H.
    """

    def __init__(
        self,
        vectors: WordVectors,
        bias: Float32Array,
        cluster_vectors: Float32Array,
        cluster_bias: Float32Array,
        projection: Float32Array | None = None,
    ) -> None:
        self._vectors = vectors
        self._bias = bias
        self._projection = None if projection is None else ExactMatrix(projection)
        self._head_words = vectors.clusters[0].words
        self._head = ExactMatrix(np.concatenate([vectors.tables[0], cluster_vectors]).T)
        self._shortening = [ExactMatrix(each.T) for each in vectors.projections]
        self._words_within = [ExactMatrix(table.T) for table in vectors.tables[1:]]
        self._head_bias = np.concatenate([bias[: self._head_words], cluster_bias])
        self._screens = [
            Screen(projection, table, bias[self._ids(cluster)])
            for cluster, (projection, table) in enumerate(
                zip(vectors.projections, vectors.tables[1:], strict=True), 1
            )
        ]

    def log_probs(self, hidden: Float32Array) -> Float32Array:
        """Natural log probabilities, (N, V), of hidden vectors (N, H)."""
        log_probs = np.empty((len(hidden), len(self._bias)), dtype=np.float32)
        for rows in _row_blocks(len(hidden), len(self._bias)):
            projected, head = self._head_log_probs(hidden[rows])
            log_probs[rows, : self._head_words] = head[:, : self._head_words]
            for cluster in self._tails():
                within = _log_softmax(self._logits_within(projected, cluster))
                within += head[:, self._entry(cluster), None]
                log_probs[rows, self._ids(cluster)] = within
        return log_probs

    def top_k(self, hidden: Float32Array, k: int, allowed: BoolArray | None) -> tuple[IntArray, Float32Array]:
        """The k most probable tokens of each row, (N, k), as `LanguageModel.top_k` has them.

        No word of a cluster is more probable than the cluster. So a cluster is looked at only in the rows in which
        its probability reaches that of the k-th best word so far. It is computed only in the rows in which a quick
        bound of its words reaches it, too (`Screen`), for all of these rows at once.
        """
        k = min(k, len(self._bias) if allowed is None else int(np.count_nonzero(allowed)))
        best_ids = np.zeros((len(hidden), k), dtype=np.int64)
        best = np.zeros((len(hidden), k), dtype=np.float32)
        largest_cluster = max(cluster.words for cluster in self._vectors.clusters)
        for rows in _row_blocks(len(hidden) if k else 0, largest_cluster):
            best_ids[rows], best[rows] = self._best(hidden[rows], k, allowed)
        return best_ids, best

    def sample(self, hidden: Float32Array, uniforms: Float64Array, excluded: int) -> tuple[IntArray, Float32Array]:
        """A drawn token of each row, (N,), and its log probability, as `LanguageModel.sample` has them.

        First a word of the head or a further cluster is drawn, then a word of that cluster with the rest of the
        uniform number. Ids rise from cluster to cluster, so this is the word at the number's place on the line of
        all words. Clusters from which no word is drawn are not computed.
        """
        projected, head = self._head_log_probs(hidden)
        if excluded < self._head_words:
            head[:, excluded] = -np.inf
        best = head.max(axis=1)
        check_log_probs(best)
        if excluded >= self._head_words or not (best > -np.inf).all():
            return drawn_tokens(self.log_probs(hidden), uniforms, excluded)
        entries, rests, _ = drawn(head, uniforms)
        ids, log_probs = entries.copy(), head[np.arange(len(entries)), entries]
        for cluster in self._tails():
            (members,) = np.nonzero(entries == self._entry(cluster))
            if len(members):
                logits = self._logits_within(projected[members], cluster)
                places, _, log_sums = drawn(logits, rests[members])
                ids[members] = places + self._vectors.first_ids[cluster]
                log_probs[members] += logits[np.arange(len(members)), places] - log_sums
        check_log_probs(log_probs)
        return ids, log_probs

    def score(
        self, hidden: Float32Array, targets: IntArray, *, ranks: bool
    ) -> tuple[Float64Array, NDArray[np.int64] | None]:
        """Natural log probability of each target, (N,), and its rank, (N,), if asked for.

        Without ranks, a cluster is computed only at positions whose target is in it.

        Args:
            hidden: (N, H).
            targets: token ids, (N,).
            ranks: whether to count how many words are at least as probable as the target.
        """
        log_probs = self._of_targets(hidden, targets)
        if not ranks:
            return log_probs, None
        target_ranks = np.empty(len(targets), dtype=np.int64)
        for rows in _row_blocks(len(targets), len(self._bias)):
            of_all = self.log_probs(hidden[rows])
            of_targets = np.take_along_axis(of_all, targets[rows, None], axis=1)
            target_ranks[rows] = np.count_nonzero(of_all >= of_targets, axis=1)
        return log_probs, target_ranks

    def _of_targets(self, hidden: Float32Array, targets: IntArray) -> Float64Array:
        """Natural log probability of each target, (N,)."""
        log_probs = np.empty(len(targets), dtype=np.float64)
        cluster_of = self._vectors.cluster_of(targets)
        in_head = np.where(cluster_of == 0, targets, self._entry(cluster_of))
        projected = self._projected(hidden)
        for rows in _row_blocks(len(targets), len(self._head_bias)):
            logits = self._head.times_rows(projected[rows])
            logits += self._head_bias
            log_probs[rows] = np.take_along_axis(logits, in_head[rows, None], axis=1)[:, 0] - _log_sum_exp(logits)
        for cluster in self._tails():
            (members,) = np.nonzero(cluster_of == cluster)
            words = self._vectors.clusters[cluster].words
            for block in _row_blocks(len(members), words, LOGITS_OF_CLUSTER_AT_ONCE):
                some = members[block]
                logits = self._logits_within(projected[some], cluster)
                places = targets[some, None] - self._vectors.first_ids[cluster]
                log_probs[some] += np.take_along_axis(logits, places, axis=1)[:, 0] - _log_sum_exp(logits)
        return log_probs

    def _best(
        self, hidden: Float32Array, k: int, allowed: BoolArray | None
    ) -> tuple[list[IntArray], list[Float32Array]]:
        """Ids and natural log probabilities of the k most probable words of each row, best first.

        Args:
            hidden: (N, H).
            k: 1 to the number of words that are allowed.
            allowed: whether each word may be returned, (V,); None: all may.
        """
        projected = self._projected(hidden)
        logits = self._head.times_rows(projected)
        logits += self._head_bias
        log_sums = _log_sum_exp(logits)
        entries = logits[:, self._head_words :]
        of_clusters = np.subtract(entries, log_sums[:, None], dtype=np.float64).astype(np.float32).tolist()
        best = [BestWords(k) for _ in of_clusters]
        allowed_there = _part(allowed, self._ids(0))
        for of_row, words, log_sum in zip(best, logits[:, : self._head_words], log_sums.tolist(), strict=True):
            of_row.add(words, log_sum, 0.0, 0, allowed_there)
        # In each row, the most probable cluster comes first: its words may make the others unnecessary.
        order = [sorted(range(len(row)), key=row.__getitem__, reverse=True) for row in of_clusters]
        for place, cluster in itertools.product(range(len(self._tails())), self._tails()):
            allowed_there = _part(allowed, self._ids(cluster))
            if allowed_there is not None and not allowed_there.any():
                continue
            rows = [
                row
                for row, clusters in enumerate(order)
                if clusters[place] == cluster - 1 and not of_clusters[row][cluster - 1] < best[row].bar
            ]
            # A bound of all words says little of the few that are allowed.
            if 0 < len(rows) <= MOST_SCREENED and (allowed_there is None or allowed_there.mean() > 0.5):
                bounds = self._screens[cluster - 1].most_probable(projected[rows]).tolist()
                rows = [
                    row
                    for row, bound in zip(rows, bounds, strict=True)
                    if not of_clusters[row][cluster - 1] + bound < best[row].bar
                ]
            if rows:
                logits = self._logits_within(
                    projected if len(rows) == len(projected) else projected[rows], cluster
                )
                first = self._vectors.first_ids[cluster]
                for row, words, log_sum in zip(rows, logits, _log_sum_exp(logits).tolist(), strict=True):
                    best[row].add(words, log_sum, of_clusters[row][cluster - 1], first, allowed_there)
        found = [of_row.found() for of_row in best]
        return [ids for ids, _ in found], [log_probs for _, log_probs in found]

    def _projected(self, hidden: Float32Array) -> Float32Array:
        return hidden if self._projection is None else self._projection.times_rows(hidden)

    def _head_log_probs(self, hidden: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Projected hidden vectors (N, D), and log probabilities of the words of the head and of the clusters."""
        projected = self._projected(hidden)
        logits = self._head.times_rows(projected)
        logits += self._head_bias
        return projected, _log_softmax(logits)

    def _logits_within(self, projected: Float32Array, cluster: int) -> Float32Array:
        shortened = self._shortening[cluster - 1].times_rows(projected)
        logits = self._words_within[cluster - 1].times_rows(shortened)
        logits += self._bias[self._ids(cluster)]
        return logits

    def _tails(self) -> range:
        return range(1, len(self._vectors.clusters))

    def _ids(self, cluster: int) -> slice:
        first = self._vectors.first_ids[cluster]
        return slice(first, first + self._vectors.clusters[cluster].words)

    def _entry(self, cluster: IntArray | int) -> IntArray | int:
        """The place of the entry of a cluster in the head."""
        return self._head_words + cluster - 1


def make_softmax(
    layers: WordLayers, embedding: WordVectors, weights: Mapping[str, Float32Array]
) -> FullSoftmax | AdaptiveSoftmax:
    """The softmax of a network.

    Args:
        layers: the sizes of embedding and softmax.
        embedding: the word vectors of the input. If embedding and softmax are tied, the softmax uses them.
        weights: the weights by the names of `WordLayers.softmax_shapes`.
    """
    vectors = embedding if layers.tied else WordVectors("softmax.embedding", layers.clusters, weights)
    projection = weights.get("softmax.projection")
    if len(layers.clusters) == 1:
        return FullSoftmax(vectors.tables[0], weights["softmax.bias"], projection)
    clusters = weights["softmax.clusters"], weights["softmax.clusters.bias"]
    return AdaptiveSoftmax(vectors, weights["softmax.bias"], *clusters, projection)


def _part(allowed: BoolArray | None, ids: slice) -> BoolArray | None:
    """Whether each word of a cluster is allowed; None: all are."""
    return None if allowed is None else allowed[ids]


def _row_blocks(rows: int, columns: int, logits: int | None = None) -> Iterator[slice]:
    """Cut rows into blocks with at most this number of logits (None: `LOGITS_AT_ONCE`), or of one row."""
    at_once = max(1, (logits or LOGITS_AT_ONCE) // columns)
    for first in range(0, rows, at_once):
        yield slice(first, first + at_once)


def _log_softmax(logits: Float32Array) -> Float32Array:
    """Replace logits by log probabilities, in place."""
    np.subtract(logits, _log_sum_exp(logits)[:, None], out=logits, casting="same_kind")
    return logits


def _log_sum_exp(logits: Float32Array) -> Float64Array:
    """log(sum(exp(row))) of each row, (N,). Subtracting the row maximum keeps exp() finite."""
    row_maximum = logits.max(axis=1, keepdims=True)
    exponentials = logits - row_maximum
    sums = np.exp(exponentials, out=exponentials).sum(axis=1, dtype=np.float64)
    return row_maximum[:, 0] + np.log(sums)  # type: ignore[no-any-return]
