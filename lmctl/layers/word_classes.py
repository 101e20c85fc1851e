"""Word classes by the company that words keep: those with like neighbours are one class.

Each word is described by how often each frequent word stands to its left and to its right (Schuetze 1995,
"Distributional part-of-speech tagging"): the square roots of the shares, in the directions in which words differ
most. Classes are found by k-means, which starts from the most frequent words and weighs a word by its frequency. A
class has a limited number of words; words that are too many go where they fit next best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, IntArray

# Neighbours that are counted on each side, and the length of the vector that is made of them.
NEIGHBOURS = 500
DIMENSIONS = 64
# Numbers of the table of neighbours, 512 MiB as float32.
MOST_NUMBERS = 1 << 27
# Tokens from the beginning of the text that are counted.
MOST_TOKENS = 20_000_000
ROUNDS = 12


def word_classes(token_ids: IntArray, vocabulary_size: int, classes: int, most_words: int) -> IntArray:
    """The class of each word, (V,).

    Args:
        token_ids: a text, (N,); ids fall with frequency.
        vocabulary_size: V.
        classes: how many classes there may be.
        most_words: how many words a class may have; classes times this is V or more.
    """
    if classes >= vocabulary_size:
        return np.arange(vocabulary_size)
    token_ids = np.asarray(token_ids[:MOST_TOKENS], dtype=np.int64)
    vectors = _company(token_ids, vocabulary_size)
    # A word that was never seen counts, too.
    weights = np.bincount(token_ids, minlength=vocabulary_size) + 1.0
    return _k_means(vectors, weights, classes, most_words)


def _company(token_ids: IntArray, vocabulary_size: int) -> Float32Array:
    """A vector for each word, (V, D), in which words with like neighbours are near each other."""
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
    """The nearest class of each word, with no more than so many words in each.

    Args:
        distances: of words and classes, (V, M); they are overwritten.
        most_words: of one class.
    """
    nearest: IntArray = distances.argmin(axis=1)
    while True:
        (full,) = np.nonzero(np.bincount(nearest, minlength=distances.shape[1]) > most_words)
        if not len(full):
            return nearest
        for one in full:
            (members,) = np.nonzero(nearest == one)
            outside = members[np.argsort(distances[members, one], kind="stable")[most_words:]]
            # A word that has been turned away does not come back, so this ends.
            distances[outside, one] = np.inf
            nearest[outside] = distances[outside].argmin(axis=1)
