"""What a cache remembers of a text: the words that were read lately, and the context that each of them followed.

A remembered word votes for itself as the next word; its vote weighs exp(theta * affinity), affinity being how much
the context it followed is like the one at hand.

For models with features the affinity is the cosine of the angle between the two contexts' vectors. Grave, Joulin
& Usunier 2017 (arXiv:1612.04426) have the product of the vectors as they are; brought to unit length, none weighs
more for being long, and theta means the same whatever the network.

For the others a word counts the less the longer ago it was read: the affinity of the word d tokens ago is -d, its
weight exp(-theta d), as in Clarkson & Robinson 1997 ("Language model adaptation using mixtures and an
exponentially decaying cache", ICASSP).

Axes: T time (contexts that ask), N remembered words, H features (0 for models without).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.products import cosines, sums_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, IntArray

# So many affinities are held at once, contexts times remembered words: 16 MiB.
AFFINITIES_AT_ONCE = 1 << 22
# Contexts that ask together look at more words than any one of them may: fewer contexts waste less.
FEWEST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Memory:
    """The last words of one text, oldest first.

    Attributes:
        keys: the context that each word followed, as a unit vector, (N, H).
        words: token ids, (N,).
        begun: whether anything has been read. The first token read has no context that it followed (it is the
            `</s>` that a text starts from, or stands in the middle of one), and is not remembered.
    """

    keys: Float32Array
    words: NDArray[np.int32]
    begun: bool

    @classmethod
    def empty(cls, features: int) -> Memory:
        """Before anything has been read; contexts will have so many features."""
        return cls(np.zeros((0, features), np.float32), np.zeros(0, np.int32), begun=False)

    def reading(self, contexts: Float32Array, token_ids: IntArray, size: int) -> Reading:
        """Read tokens.

        Args:
            contexts: features before the first token and after each, (T + 1, H).
            token_ids: (T,).
            size: how many words are remembered.
        """
        contexts = _unit_vectors(contexts)
        first = 0 if self.begun else min(1, len(token_ids))
        keys, words = contexts[first:-1], token_ids[first:].astype(np.int32)
        if len(self.words):
            keys, words = np.concatenate([self.keys, keys]), np.concatenate([self.words, words])
        ends = len(self.words) + np.arange(1, len(token_ids) + 1) - first
        return Reading(contexts[1:], keys, words, ends, size, begun=self.begun or len(token_ids) > 0)

    def asked(self, context: Float32Array, size: int) -> Affinities:
        """How what is remembered is like one context, whose features are (H,)."""
        ends = np.array([len(self.words)])
        reading = Reading(_unit_vectors(context[None]), self.keys, self.words, ends, size, begun=self.begun)
        return next(affinities for _, affinities in reading.blocks())


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it is read: contexts that ask one after the other, and what each of them remembers.

    Attributes:
        queries: unit vectors, (T, H).
        keys: as in `Memory`, of all words that any of the queries remembers, (N, H).
        words: as in `Memory`, (N,).
        ends: each query remembers the last `size` words before this place in `words`, (T,); rises by one a query.
        size: how many words are remembered.
        begun: whether anything has been read when all this has been.
    """

    queries: Float32Array
    keys: Float32Array
    words: NDArray[np.int32]
    ends: NDArray[np.int64]
    size: int
    begun: bool

    def memory(self) -> Memory:
        """What is remembered when all has been read."""
        first = max(0, len(self.words) - self.size)
        # A copy: a view would keep all that was read alive.
        return Memory(self.keys[first:].copy(), self.words[first:].copy(), self.begun)

    @property
    def remembering(self) -> NDArray[np.bool_]:
        """Which of the queries remember anything, (T,)."""
        return self.ends > 0

    def log_probs(self, targets: IntArray, thetas: Sequence[float]) -> Float64Array:
        """Natural log of the share of the votes that each target has, -inf where it is not remembered.

        Args:
            targets: the token that each query asks for, (T,).
            thetas: K of them.

        Returns:
            (K, T).
        """
        shares = np.zeros((len(thetas), len(targets)), dtype=np.float64)
        for rows, affinities in self.blocks():
            query, entry = np.nonzero(affinities.words == targets[rows, None].astype(np.int32))
            for place, theta in enumerate(thetas):
                votes = affinities.votes(theta)
                # Several thetas are tried on one text, which is read in one way: pairs are added up twice as fast.
                sums = sums_in_order(votes) if len(thetas) == 1 else votes.sum(axis=1, dtype=np.float64)
                totals = np.maximum(sums, np.finfo(np.float64).tiny)
                shares[place, rows] = np.bincount(query, votes[query, entry], minlength=len(votes)) / totals
        with np.errstate(divide="ignore"):
            return np.log(shares)

    def blocks(self) -> Iterator[tuple[slice, Affinities]]:
        """The queries in blocks, and how the words that they remember are like what each of them is about."""
        at_once = max(1, min(max(FEWEST_ROWS, self.size // 4), AFFINITIES_AT_ONCE // (2 * self.size)))
        for first in range(0, len(self.ends), at_once):
            rows = slice(first, min(first + at_once, len(self.ends)))
            ends = self.ends[rows, None]
            entries = slice(max(0, ends[0, 0] - self.size), ends[-1, 0])
            ages = ends - np.arange(entries.start, entries.stop)
            compared = self.keys.shape[1] > 0
            values = cosines(self.queries[rows], self.keys[entries]) if compared else -ages.astype(np.float32)
            # Not yet read, or no longer remembered.
            values[(ages < 1) | (ages > self.size)] = -np.inf
            yield rows, Affinities(values, self.words[entries])


@dataclass(frozen=True, slots=True)
class Affinities:
    """How much what is remembered is like the contexts that ask.

    Attributes:
        values: (T, N); -inf where a word is not remembered.
        words: token ids, (N,).
    """

    values: Float32Array
    words: NDArray[np.int32]

    def votes(self, theta: float) -> Float32Array:
        """The weight of each remembered word's vote, (T, N); the largest of each row is 1."""
        # The largest affinity cancels when votes are normalised, and keeps exp() finite.
        largest = self.values.max(axis=1, initial=np.finfo(np.float32).min, keepdims=True)
        votes: Float32Array = self.values - largest
        votes *= theta
        np.exp(votes, out=votes)
        return votes


def _unit_vectors(vectors: Float32Array) -> Float32Array:
    """Each row (N, H) divided by its length; one of length zero stays as it is."""
    lengths: Float32Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0.0] = 1.0
    return vectors / lengths
