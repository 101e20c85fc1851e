"""The interface of a model for queries that fills gaps: `GapModel`, which works on token ids, in NumPy.

Such a model reads the text on both sides of a gap. It has no distribution of the next word
(`Family.predicts_next_word` is false). `lmctl/query` fills gaps and scores words with it.

A text is an array of token ids. A sentence stands between two `</s>`; a part of a sentence may lack one or both.
The results for a text may not depend on the other texts of the batch, not by a single bit.

Axes: B texts, T positions of a text, D elements of a feature vector, E of a word vector, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float32Array, Float64Array, IntArray


class GapScores(NamedTuple):
    """The results for N gaps.

    Attributes:
        log_probs: natural log probability of the token in each gap, given all other tokens of its text, (N,).
        ranks: rank of each token among the V words by falling probability, from 1, (N,). Words of equal
            probability count as better than the token. None: not requested.
        top_ids: the most probable token for each gap, (N,); of equally probable ones the smallest id. None: not
            requested.
        top_log_probs: natural log probability of each of them, (N,). None: not requested.
    """

    log_probs: Float64Array
    ranks: IntArray | None = None
    top_ids: IntArray | None = None
    top_log_probs: Float64Array | None = None


class GapModel(ABC):
    """A probability distribution over the word in a gap, given the text on both sides.

    Attributes:
        vocabulary_size: V.
        context: the largest number of positions that are read at once. Of a longer text, a window of this many
            positions around the gap is read.
    """

    vocabulary_size: int
    context: int

    @abstractmethod
    def log_probs(self, texts: Sequence[IntArray], gaps: IntArray) -> Float32Array:
        """Compute the natural log probability of every word for one gap in each text, (B, V).

        Args:
            texts: token ids, (T,) each, of any lengths. The token in the gap is not read.
            gaps: the position of the gap in each text, (B,).
        """

    @abstractmethod
    def score(
        self, texts: Sequence[IntArray], gaps: IntArray, *, ranks: bool = False, top_answers: bool = False
    ) -> GapScores:
        """Score the token in each gap, given all other tokens of its text; N is B.

        Args:
            texts: as in `log_probs`.
            gaps: as in `log_probs`.
            ranks: whether to compute the rank of each token.
            top_answers: whether to compute the most probable token for each gap.
        """

    @abstractmethod
    def features(self, texts: Sequence[IntArray]) -> list[Float32Array]:
        """Compute the vector of each position of each text, (T, D) each, with no gap."""

    @abstractmethod
    def word_vectors(self) -> Float32Array:
        """A vector for each word of the vocabulary, (V, E): similar words have similar vectors."""
