"""The masked language model in NumPy: the network of `families/masked/keras/network.py`, for answering.

`layers/transformer_layer.py` states the formulas of a layer. A word sees all positions of its own sentence, from
the `</s>` before it to the `</s>` at its end. A `</s>` sees only itself, so no sentence depends on the sentence
beside it.

Axes: B texts, T positions, D hidden units, V vocabulary.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.gap_model import GapModel, GapScores
from lmctl.families.masked.weights import MASK
from lmctl.layers.attention import seen_within_sentences
from lmctl.layers.embedding import WordVectors
from lmctl.layers.softmax import make_softmax
from lmctl.layers.transformer_layer import TransformerLayer, normalized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmctl.arrays import BoolArray, Float32Array, IntArray
    from lmctl.families.masked.sizes import MaskedSizes

# Positions, padding included, that are read at once. This bounds the memory.
POSITIONS_AT_ONCE = 1 << 13


class MaskedModel(GapModel):
    """Embedding, layers of attention to both sides, softmax.

    Args:
        sizes: the dimensions of the network.
        weights: by the names of `weight_shapes(sizes)`, float32.
    """

    def __init__(self, sizes: MaskedSizes, weights: Mapping[str, Float32Array]) -> None:
        layers = sizes.word_layers
        self.sizes = sizes
        self.vocabulary_size = sizes.vocabulary_size
        self.context = sizes.context
        self.embedding = WordVectors("embedding", layers.input_clusters, weights)
        self.softmax = make_softmax(layers, self.embedding, weights)
        self._scale = np.float32(math.sqrt(sizes.hidden_units))
        self._mask = weights[MASK][0]
        self._norm = weights["masked.norm"]
        self._layers = [
            TransformerLayer(sizes, "rotary", weights, f"masked.{layer}") for layer in range(sizes.layers)
        ]

    def log_probs(self, texts: Sequence[IntArray], gaps: IntArray) -> Float32Array:
        """See `GapModel.log_probs`."""
        return self.softmax.log_probs(self._of_gaps(texts, gaps))

    def score(
        self, texts: Sequence[IntArray], gaps: IntArray, *, ranks: bool = False, top_answers: bool = False
    ) -> GapScores:
        """See `GapModel.score`; an adaptive softmax computes only the clusters that top answers may be in."""
        targets = np.array([text[gap] for text, gap in zip(texts, gaps, strict=True)], dtype=np.int64)
        vectors = self._of_gaps(texts, gaps)
        log_probs, found_ranks = self.softmax.score(vectors, targets, ranks=ranks)
        if not top_answers:
            return GapScores(log_probs, found_ranks)
        top_ids, top_log_probs = self.softmax.top_k(vectors, 1, None)
        return GapScores(log_probs, found_ranks, top_ids[:, 0], top_log_probs[:, 0].astype(np.float64))

    def features(self, texts: Sequence[IntArray]) -> list[Float32Array]:
        """See `GapModel.features`; the last layer's outputs behind its norm.

        A text longer than `context` is read in windows that overlap by half. Each position has the vector of the
        window in which it is farther from the borders.
        """
        found = [np.empty((len(text), self.sizes.hidden_units), dtype=np.float32) for text in texts]
        windows = [
            (place, window) for place, text in enumerate(texts) for window in _windows(len(text), self.context)
        ]
        at_once = max(1, POSITIONS_AT_ONCE // self.context)
        for begin in range(0, len(windows), at_once):
            some = windows[begin : begin + at_once]
            pieces = [texts[place][first : first + self.context] for place, (first, _, _) in some]
            for (place, (first, start, stop)), vectors in zip(some, self._read(pieces), strict=True):
                found[place][start:stop] = vectors[start - first : stop - first]
        return found

    def word_vectors(self) -> Float32Array:
        """The vectors of the input, (V, E)."""
        return self.embedding(np.arange(self.vocabulary_size))

    def _of_gaps(self, texts: Sequence[IntArray], gaps: IntArray) -> Float32Array:
        """The vectors of the gaps that the softmax reads, (B, D)."""
        found = np.empty((len(texts), self.sizes.hidden_units), dtype=np.float32)
        firsts = [
            max(0, min(int(gap) - self.context // 2, len(text) - self.context))
            for text, gap in zip(texts, gaps, strict=True)
        ]
        pieces = [text[first : first + self.context] for text, first in zip(texts, firsts, strict=True)]
        at_once = max(1, POSITIONS_AT_ONCE // max(map(len, pieces), default=1))
        for begin in range(0, len(pieces), at_once):
            block = slice(begin, begin + at_once)
            found[block] = self._read(pieces[block], np.array(gaps[block]) - firsts[block])[:, 0]
        return found

    def _read(self, texts: Sequence[IntArray], gaps: IntArray | None = None) -> Float32Array:
        """The vectors that the softmax reads: of the gaps, (B, 1, D), or without gaps of all positions, (B, T, D).

        Args:
            texts: token ids, no more than `context` each.
            gaps: the position of the gap in each text, (B,); None: no text has a gap.
        """
        columns = np.arange(len(texts))
        token_ids = np.full((len(texts), max(map(len, texts), default=0)), SENTENCE_END_ID)
        is_there = np.arange(token_ids.shape[1]) < np.array([len(text) for text in texts])[:, None]
        for column, text in enumerate(texts):
            token_ids[column, : len(text)] = text
        is_end = (token_ids == SENTENCE_END_ID) & is_there
        vectors = self.embedding(token_ids)
        if gaps is not None:
            vectors[columns, gaps] = self._mask
            is_end[columns, gaps] = False
        vectors = vectors * self._scale
        is_seen = seen_within_sentences(is_end, is_there)
        for layer in self._layers[:-1]:
            vectors = layer.run_where(vectors, is_seen)
        if gaps is None:
            vectors = self._layers[-1].run_where(vectors, is_seen)
        else:
            seen_by_gaps: BoolArray = is_seen[columns, gaps][:, None]
            vectors = self._layers[-1].run_where(vectors, seen_by_gaps, gaps[:, None])
        return normalized(vectors, self._norm)


def _windows(length: int, context: int) -> Iterator[tuple[int, int, int]]:
    """The windows of a text of `length` positions: the first position of each, and the range whose vectors count.

    The ranges cover the text without overlap.
    """
    last = max(0, length - context)
    firsts = [*range(0, last, max(1, context // 2)), last]
    start = 0
    for first, following in zip(firsts, [*firsts[1:], None], strict=True):
        # The middle of the overlap with the next window.
        stop = length if following is None else (following + min(first + context, length)) // 2
        yield first, start, stop
        start = stop
