"""The memory of a cache: the recent words of a text, and the context before each of them.

Each remembered word votes for itself as the next word. The weight of its vote is exp(theta * affinity). The
affinity measures how similar the context before the remembered word is to the current context.

If the model has features, the affinity is the cosine of the feature vectors of the two contexts. Grave, Joulin &
Usunier 2017 (arXiv:1612.04426) use the product of the vectors. With vectors of unit length, long vectors have no
more weight than others, and a theta has the same meaning for every network.

If the model has no features, recent words have more weight: the affinity of the word d tokens ago is -d, so its
weight is exp(-theta d), as in Clarkson & Robinson 1997 ("Language model adaptation using mixtures and an
exponentially decaying cache", ICASSP).

Axes: T time (current contexts, "queries"), N remembered words, H features (0 for models without features).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl import progress
from lmctl.layers.products import cosines, sums_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, IntArray

# Most affinities (queries times remembered words) in memory at once: 16 MiB.
AFFINITIES_AT_ONCE = 1 << 22
# Fewest queries of a block. A block computes affinities to the words of all its queries, so smaller blocks waste
# less.
FEWEST_ROWS = 64
# Rows that are divided by their lengths at once.
UNIT_VECTORS_AT_ONCE = 1 << 12


@dataclass(frozen=True, slots=True)
class Memory:
    """The last words of one text, oldest first.

    Attributes:
        keys: the features of the context before each word, as unit vectors, (N, H).
        words: token ids, (N,).
        begun: whether any token has been read. The first token that is read has no context before it, so it is not
            remembered.
    """

    keys: Float32Array
    words: NDArray[np.int32]
    begun: bool

    @classmethod
    def empty(cls, features: int) -> Memory:
        """The memory before the first token, for contexts with `features` features."""
        return cls(np.zeros((0, features), np.float32), np.zeros(0, np.int32), begun=False)

    def reading(self, contexts: Float32Array, token_ids: IntArray, size: int) -> Reading:
        """Read tokens.

        Args:
            contexts: unit vectors of the features before the first token and after each token, (T + 1, H). The
                reading keeps them.
            token_ids: (T,).
            size: number of words that are remembered.
        """
        first = 0 if self.begun else min(1, len(token_ids))
        keys, words = contexts[first:-1], token_ids[first:].astype(np.int32)
        if len(self.words):
            keys, words = np.concatenate([self.keys, keys]), np.concatenate([self.words, words])
        ends = len(self.words) + np.arange(1, len(token_ids) + 1) - first
        return Reading(contexts[1:], keys, words, ends, size, begun=self.begun or len(token_ids) > 0)

    def affinities_to(self, context: Float32Array, size: int) -> Affinities:
        """The affinities of the remembered words to one context, whose features are (H,)."""
        ends = np.array([len(self.words)])
        query = context[None].copy()
        make_unit_vectors(query)
        reading = Reading(query, self.keys, self.words, ends, size, begun=self.begun)
        return next(affinities for _, affinities in reading.blocks())


@dataclass(frozen=True, slots=True)
class Reading:
    """The contexts after each token of a text (the queries), and the words that each of them remembers.

    Attributes:
        queries: features of the contexts, as unit vectors, (T, H).
        keys: as in `Memory`, for all words that any query remembers, (N, H).
        words: as in `Memory`, (N,).
        ends: query t remembers the last `size` words before place `ends[t]` in `words`, (T,); rises by one a
            query.
        size: number of words that are remembered.
        begun: whether any token has been read at the end.
    """

    queries: Float32Array
    keys: Float32Array
    words: NDArray[np.int32]
    ends: NDArray[np.int64]
    size: int
    begun: bool

    def memory(self) -> Memory:
        """The memory after the last token."""
        first = max(0, len(self.words) - self.size)
        # A view would keep the arrays of the whole text in memory.
        return Memory(self.keys[first:].copy(), self.words[first:].copy(), self.begun)

    @property
    def remembering(self) -> NDArray[np.bool_]:
        """Whether each query remembers any word, (T,) bool."""
        return self.ends > 0

    def log_probs(self, targets: IntArray, thetas: Sequence[float], activity: str | None = None) -> Float64Array:
        """Natural log of p_cache of each target, -inf if the target is not remembered.

        Args:
            targets: the token id after each query, (T,).
            thetas: K values of theta.
            activity: name of the work, which is reported after each block; None: nothing is reported.

        Returns:
            (K, T) float64.
        """
        shares = np.zeros((len(thetas), len(targets)), dtype=np.float64)
        for rows, affinities in self.blocks():
            query, entry = np.nonzero(affinities.words == targets[rows, None].astype(np.int32))
            for place, theta in enumerate(thetas):
                votes = affinities.votes(theta)
                # Several thetas are used only for tuning, which always reads the text in the same blocks. There,
                # NumPy's pairwise sum gives the same result each time, and is twice as fast.
                sums = sums_in_order(votes) if len(thetas) == 1 else votes.sum(axis=1, dtype=np.float64)
                totals = np.maximum(sums, np.finfo(np.float64).tiny)
                shares[place, rows] = np.bincount(query, votes[query, entry], minlength=len(votes)) / totals
            if activity is not None:
                progress.tell(activity, rows.stop, len(targets))
        with np.errstate(divide="ignore"):
            return np.log(shares)

    def blocks(self) -> Iterator[tuple[slice, Affinities]]:
        """The queries in blocks: the slice of each block, and the affinities of its queries."""
        at_once = max(1, min(max(FEWEST_ROWS, self.size // 8), AFFINITIES_AT_ONCE // (2 * self.size)))
        for first in range(0, len(self.ends), at_once):
            rows = slice(first, min(first + at_once, len(self.ends)))
            ends = self.ends[rows, None]
            entries = slice(max(0, ends[0, 0] - self.size), ends[-1, 0])
            ages = ends - np.arange(entries.start, entries.stop)
            compared = self.keys.shape[1] > 0
            values = cosines(self.queries[rows], self.keys[entries]) if compared else -ages.astype(np.float32)
            # These words are not read yet, or no longer remembered.
            values[(ages < 1) | (ages > self.size)] = -np.inf
            yield rows, Affinities(values, self.words[entries])


@dataclass(frozen=True, slots=True)
class Affinities:
    """The affinities of remembered words to queries.

    Attributes:
        values: affinities, (T, N); -inf for words that a query does not remember.
        words: token ids, (N,).
    """

    values: Float32Array
    words: NDArray[np.int32]

    def votes(self, theta: float) -> Float32Array:
        """The weight of the vote of each word, (T, N), scaled so that the largest of each row is 1."""
        # The largest affinity cancels when votes are normalised, and keeps exp() finite.
        largest = self.values.max(axis=1, initial=np.finfo(np.float32).min, keepdims=True)
        votes: Float32Array = self.values - largest
        votes *= theta
        np.exp(votes, out=votes)
        return votes


def make_unit_vectors(vectors: Float32Array) -> None:
    """Divide each row of (N, H) by its length, in place. A row of zeros stays as it is."""
    # In blocks, because NumPy squares a copy of what it is given.
    for first in range(0, len(vectors), UNIT_VECTORS_AT_ONCE):
        block = slice(first, first + UNIT_VECTORS_AT_ONCE)
        lengths: Float32Array = np.linalg.norm(vectors[block], axis=1, keepdims=True)
        lengths[lengths == 0.0] = 1.0
        vectors[block] /= lengths
