"""Word classes: words with similar neighbours are in one class.

The vector of a word follows from the share of each frequent word among its left and its right neighbours (Schuetze
1995, "Distributional part-of-speech tagging"). It has the square roots of these shares, projected to the
directions in which words differ most. k-means finds the classes. It starts from the most frequent words, and
weights words by their frequency. The size of a class is limited; a word that does not fit into the nearest class
is put into the next nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, IntArray

# Number of frequent words that are counted as neighbours on each side, and length of the projected vectors.
NEIGHBOURS = 500
DIMENSIONS = 64
# Most elements of the table of neighbours: 512 MiB as float32.
MOST_NUMBERS = 1 << 27
# Most tokens that are counted, from the start of the text.
MOST_TOKENS = 20_000_000
ROUNDS = 12


def word_classes(token_ids: IntArray, vocabulary_size: int, classes: int, most_words: int) -> IntArray:
    """The class of each word, (V,).

    Args:
        token_ids: the training text, (N,); ids are in the order of falling frequency.
        vocabulary_size: V.
        classes: number of classes; some may be empty.
        most_words: largest number of words in a class; classes * most_words is at least V.
    """
    if classes >= vocabulary_size:
        return np.arange(vocabulary_size)
    token_ids = np.asarray(token_ids[:MOST_TOKENS], dtype=np.int64)
    vectors = _company(token_ids, vocabulary_size)
    # A word that does not occur has weight 1.
    weights = np.bincount(token_ids, minlength=vocabulary_size) + 1.0
    return _k_means(vectors, weights, classes, most_words)


def _company(token_ids: IntArray, vocabulary_size: int) -> Float32Array:
    """A vector for each word, (V, D). Words with similar neighbours have similar vectors."""
    neighbours = max(1, min(NEIGHBOURS, vocabulary_size, MOST_NUMBERS // (2 * vocabulary_size)))
    counts = np.zeros((vocabulary_size, 2 * neighbours), dtype=np.float32)
    left, right = token_ids[:-1], token_ids[1:]
    for side, (words, others) in enumerate(((right, left), (left, right))):
        counted = others < neighbours
        pairs, times = np.unique(words[counted] * neighbours + others[counted], return_counts=True)
        counts[pairs // neighbours, side * neighbours + pairs % neighbours] = times
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.sqrt(counts / np.maximum(totals, 1.0))
    weighted = (shares * np.sqrt(totals)).astype(np.float64)
    # eigh gives eigenvalues in rising order.
    _, directions = np.linalg.eigh(weighted.T @ weighted)
    vectors: Float32Array = (shares @ directions[:, ::-1][:, :DIMENSIONS]).astype(np.float32)
    return vectors


def _k_means(vectors: Float32Array, weights: Float32Array, classes: int, most_words: int) -> IntArray:
    centres = vectors[:classes].astype(np.float64)
    nearest: IntArray = np.zeros(len(vectors), dtype=np.int64)
    for _ in range(ROUNDS):
        distances = (centres**2).sum(axis=1) - 2 * vectors @ centres.T
        nearest = _limited(distances, most_words)
        of_class = np.bincount(nearest, weights, minlength=classes)
        for dimension in range(vectors.shape[1]):
            sums = np.bincount(nearest, weights * vectors[:, dimension], minlength=classes)
            np.divide(sums, of_class, out=centres[:, dimension], where=of_class > 0)
    return nearest


def _limited(distances: Float32Array, most_words: int) -> IntArray:
    """The nearest class of each word, with at most `most_words` words in each class.

    Args:
        distances: distances of words to classes, (V, M), which are overwritten.
        most_words: largest number of words in a class.
    """
    nearest: IntArray = distances.argmin(axis=1)
    while True:
        (full,) = np.nonzero(np.bincount(nearest, minlength=distances.shape[1]) > most_words)
        if not len(full):
            return nearest
        for one in full:
            (members,) = np.nonzero(nearest == one)
            outside = members[np.argsort(distances[members, one], kind="stable")[most_words:]]
            # A word never returns to a class that it left, so this loop ends.
            distances[outside, one] = np.inf
            nearest[outside] = distances[outside].argmin(axis=1)
