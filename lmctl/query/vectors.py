"""Vectors of words and sentences, and the nearest words of a word."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.arguments import whole_number
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import DataError, UsageError, listed
from lmctl.layers.products import cosines
from lmctl.query.batching import batches_by_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.gap_model import GapModel
    from lmctl.query.text_model import EncodedText, TextModel

logger = logging.getLogger(__name__)

# Cosines that are held at once, words that are asked for times words of the vocabulary: 32 MiB as float64.
COSINES_AT_ONCE = 1 << 22
# Vectors of words that are written at once.
WORDS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class SentenceVector:
    """The vector of a sentence.

    Attributes:
        text: the sentence, as it was given.
        oov: its words that are out of vocabulary.
        vector: (D,) float32, as a list.
    """

    text: str
    oov: list[str]
    vector: list[float]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A word near another one, and the cosine of the angle between their vectors."""

    word: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """The nearest words of a word.

    Attributes:
        word: the word, as it was given.
        oov: the word again if it is out of vocabulary; then it has no neighbors.
        neighbors: the nearest words, the nearest first; of equally near ones, the smaller id first.
    """

    word: str
    oov: list[str]
    neighbors: list[Neighbor]


def word2vec_text(words: Sequence[str], vectors: Float32Array) -> Iterator[str]:
    """Yield vectors in the text format of word2vec: their number and length, then each after its word.

    Nine significant digits give a float32 back.

    Args:
        words: the words, without white space.
        vectors: (N, D).
    """
    yield f"{len(words)} {vectors.shape[1]}\n"
    for first in range(0, len(words), WORDS_AT_ONCE):
        part = slice(first, first + WORDS_AT_ONCE)
        for word, vector in zip(words[part], vectors[part].tolist(), strict=True):
            yield f"{word} {' '.join(f'{number:.9g}' for number in vector)}\n"


def word_vectors(model: TextModel) -> Float32Array:
    """Return the vectors of all words, (V, E). A mixture has the vectors of its first member with vectors.

    Raises:
        UsageError: the model has none.
        DataError: a vector is not finite.
    """
    if model.gap_model is None and not model.language_model.has_word_vectors:
        raise UsageError(_nothing_there(model, "word vectors"))
    vectors = model.runtime.word_vectors()
    _check_finite(vectors)
    return vectors


def known_words(model: TextModel, words: Iterable[str]) -> dict[str, int]:
    """Return the ids of words, each word once, in their order.

    A warning names the words that are out of vocabulary, which are left out.

    Raises:
        UsageError: there are words, and none is in the vocabulary.
    """
    wanted = list(dict.fromkeys(model.tokenizer.normalization(word.strip()) for word in words))
    found = {word: word_id(model, word) for word in wanted}
    known = {word: token_id for word, token_id in found.items() if token_id is not None}
    if wanted and not known:
        raise UsageError(f"none of the {len(wanted)} words is in the model's vocabulary")
    if len(known) < len(wanted):
        missing = [word for word in wanted if word not in known]
        logger.warning("not in the model's vocabulary, left out: %s", listed(missing))
    return known


def word_id(model: TextModel, normalized_word: str) -> int | None:
    """Return the id of a word; None if it is out of vocabulary. `<unk>` and `</s>` have ids here."""
    words = model.vocabulary.words
    if normalized_word in words[: max(UNKNOWN_ID, SENTENCE_END_ID) + 1]:
        return words.index(normalized_word)
    (token_id,) = model.vocabulary.encode([normalized_word])
    return None if token_id == UNKNOWN_ID else token_id


class SentenceEncoder:
    """Vectors of sentences (`LanguageModel.sentence_vectors`).

    Usually the vector is the mean of the features after each word, which are the vectors that the softmax of a
    network reads. If a model encodes whole sentences, the vector is the code. A mixture has the vectors of its
    first member with features. A model that fills gaps has features at each word, which depend on the text on both
    sides; no word is hidden.

    Args:
        model: the model.

    Raises:
        UsageError: the model has no features.
    """

    def __init__(self, model: TextModel) -> None:
        if model.gap_model is None and not model.language_model.has_features:
            raise UsageError(_nothing_there(model, "vectors of sentences"))
        self._model = model

    @cached_property
    def width(self) -> int:
        """The length of the vectors, D."""
        return len(self.encode([""])[0].vector)

    def encode(self, texts: Sequence[str]) -> list[SentenceVector]:
        """Return the vectors of sentences, in order.

        Raises:
            DataError: a vector is not finite.
        """
        encoded = [self._model.encode(text) for text in texts]
        vectors: list[list[float]] = [[] for _ in encoded]
        for places in batches_by_length([len(text.token_ids) + 1 for text in encoded]):
            of_batch = [encoded[place] for place in places]
            gap_model = self._model.gap_model
            found = self._vectors(of_batch) if gap_model is None else _means_of_positions(gap_model, of_batch)
            _check_finite(found)
            for place, vector in zip(places, found.tolist(), strict=True):
                vectors[place] = vector
        return [
            SentenceVector(text, _oov(of_text), vector)
            for text, of_text, vector in zip(texts, encoded, vectors, strict=True)
        ]

    def _vectors(self, encoded: Sequence[EncodedText]) -> Float32Array:
        """The vectors of sentences side by side, (B, D)."""
        lengths = np.array([len(text.token_ids) for text in encoded])
        token_ids = np.full((int(lengths.max()), len(encoded)), SENTENCE_END_ID)
        for column, text in enumerate(encoded):
            token_ids[: len(text.token_ids), column] = text.token_ids
        return self._model.language_model.for_many_columns().sentence_vectors(token_ids, lengths)


class Neighbors:
    """Finds the nearest words, by the cosine of their vectors. `<unk>`, `</s>` and the word itself are no answers.

    Args:
        model: the model.
        k: number of words in an answer.

    Raises:
        UsageError: k is no whole number above 0, or the model has no word vectors.
        DataError: a vector is not finite.
    """

    def __init__(self, model: TextModel, *, k: int = 5) -> None:
        self._model = model
        self._k = whole_number("k", k)
        self._vectors = word_vectors(model)

    def answer(self, words: Sequence[str]) -> list[Neighborhood]:
        """Return the neighbors of words, in order."""
        ids = [word_id(self._model, self._model.tokenizer.normalization(word.strip())) for word in words]
        found = [Neighborhood(word, [word], []) for word in words]
        known = [place for place, token_id in enumerate(ids) if token_id is not None]
        at_once = max(1, COSINES_AT_ONCE // len(self._units))
        for first in range(0, len(known), at_once):
            places = known[first : first + at_once]
            token_ids = np.array([ids[place] for place in places])
            for place, row in zip(places, self._nearest(token_ids), strict=True):
                found[place] = Neighborhood(words[place], [], row)
        return found

    def _nearest(self, token_ids: IntArray) -> list[list[Neighbor]]:
        near = cosines(self._units[token_ids], self._units)
        near[:, [UNKNOWN_ID, SENTENCE_END_ID]] = -np.inf
        near[np.arange(len(token_ids)), token_ids] = -np.inf
        best = np.argsort(-near, axis=1, kind="stable")[:, : self._k]
        names = self._model.vocabulary.words
        return [
            [
                Neighbor(names[token_id], cosine)
                for token_id, cosine in zip(ids, row[ids].tolist(), strict=True)
                if cosine > -np.inf
            ]
            for ids, row in zip(best.tolist(), near, strict=True)
        ]

    @cached_property
    def _units(self) -> Float32Array:
        """The vectors with length 1; a zero vector stays, and its cosines are 0."""
        vectors = self._vectors.astype(np.float64)
        lengths = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
        units: Float32Array = (vectors / np.where(lengths == 0.0, 1.0, lengths)).astype(np.float32)
        return units


def _means_of_positions(gap_model: GapModel, encoded: Sequence[EncodedText]) -> Float32Array:
    """The vectors of sentences, (B, H): the mean of the features of their words."""
    texts = [np.array([SENTENCE_END_ID, *text.token_ids, SENTENCE_END_ID]) for text in encoded]
    means = []
    for features in gap_model.features(texts):
        # A sentence without words has the features of the `</s>` before it.
        counted = features[1:-1] if len(features) > 2 else features[:1]
        # The features of a sentence do not depend on others, and neither does their sum in float64.
        means.append(counted.astype(np.float64).sum(axis=0) / len(counted))
    return np.array(means, dtype=np.float32)


def _oov(text: EncodedText) -> list[str]:
    return [word for word, token_id in zip(text.words, text.token_ids, strict=True) if token_id == UNKNOWN_ID]


def _check_finite(vectors: Float32Array) -> None:
    if not np.isfinite(vectors).all():
        raise DataError("a vector of the model has a number that is not finite; expected finite numbers")


def _nothing_there(model: TextModel, missing: str) -> str:
    networks = [name for name in families.BUILT_IN if families.find(name).trains_network]
    return (
        f"{model.bundle.folder}: a model of the family {model.bundle.family} has no {missing}; models that have "
        f"some: networks ({listed(networks)}), and mixtures with one"
    )
