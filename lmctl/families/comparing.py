"""Comparing the numbers that another program reads from an exported model with the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import DataError
from lmctl.families.exporting import LARGEST_DIFFERENCE, ExportFigures
from lmctl.perplexity import perplexity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array, IntArray
    from lmctl.families.base import LanguageModel

# Probabilities near the smallest float32 have few digits.
_LEAST_LOG_PROB = -80.0


class Comparison(NamedTuple):
    """The numbers of both on the same sentences.

    Attributes:
        compared: what was compared, for messages.
        largest_difference: of log probabilities, in nats.
        log_prob: of all sentences, by the other program.
        own_log_prob: of all sentences, by the model itself.
        tokens: number of tokens, with `</s>`.
    """

    compared: str
    largest_difference: float
    log_prob: float
    own_log_prob: float
    tokens: int

    @property
    def perplexity(self) -> float:
        """By the other program; may be infinite."""
        return perplexity_of(-self.log_prob / self.tokens)

    @property
    def own_perplexity(self) -> float:
        """By the model itself; may be infinite."""
        return perplexity_of(-self.own_log_prob / self.tokens)

    def check(self, folder: Path, reader: str) -> None:
        """Refuse a difference that is more than rounding.

        Args:
            folder: of the model, for the message.
            reader: the other program.

        Raises:
            DataError: the difference is too large, or not a number.
        """
        if not self.largest_difference <= LARGEST_DIFFERENCE:
            raise DataError(
                f"{folder}: {reader} reads other probabilities from the exported model: {self.compared} differs "
                f"by {self.largest_difference:.2g} nats"
            )

    def figures(self, reader: str, size_bytes: int, *, is_rounded: bool = False) -> ExportFigures:
        """The figures to be reported."""
        return ExportFigures(
            reader=reader,
            compared=self.compared,
            tokens=self.tokens,
            largest_difference=self.largest_difference,
            perplexity=self.perplexity,
            own_perplexity=self.own_perplexity,
            size_bytes=size_bytes,
            is_rounded=is_rounded,
        )


def compare_sentences(
    log_prob_of: Callable[[IntArray], float], runtime: LanguageModel[Any], sentences: Sequence[IntArray]
) -> Comparison:
    """Compare the log probabilities of sentences, each divided by the number of its tokens.

    Args:
        log_prob_of: gives the log probability of a sentence (N,), with its end, by the other program.
        runtime: the model itself.
        sentences: token ids, (N,) each, without `</s>`.
    """

    def scores() -> Iterable[tuple[float, float, float, int]]:
        for sentence in sentences:
            inputs, targets = _around(sentence)
            scores, _ = runtime.score(inputs, targets, np.array([len(inputs)]), runtime.null_state(1))
            found, own = log_prob_of(sentence), float(scores.log_probs.sum())
            yield abs(found - own) / len(inputs), found, own, len(inputs)

    return _summed("the mean log probability of a sentence", scores())


def compare_words(
    log_probs_after: Callable[[IntArray], Float32Array], runtime: LanguageModel[Any], sentences: Sequence[IntArray]
) -> Comparison:
    """Compare the log probabilities of all words after each token.

    Args:
        log_probs_after: gives the log probabilities after each token of a text (T,), (T, V), by the other program.
        runtime: the model itself.
        sentences: token ids, (N,) each, without `</s>`.
    """

    def scores() -> Iterable[tuple[float, float, float, int]]:
        for sentence in sentences:
            inputs, targets = _around(sentence)
            found = log_probs_after(inputs[:, 0])
            own = runtime.advance_with_log_probs(runtime.null_state(1), inputs)[0][:, 0]
            log_prob, own_log_prob = (
                float(np.take_along_axis(each, targets, axis=1).sum(dtype=np.float64)) for each in (found, own)
            )
            yield _largest_difference(found, own), log_prob, own_log_prob, len(inputs)

    return _summed("the log probability of a word", scores())


def _around(sentence: IntArray) -> tuple[IntArray, IntArray]:
    """Inputs and targets of a sentence, (N + 1, 1) each."""
    return np.array([SENTENCE_END_ID, *sentence])[:, None], np.array([*sentence, SENTENCE_END_ID])[:, None]


def _summed(compared: str, scores: Iterable[tuple[float, float, float, int]]) -> Comparison:
    differences, found, own, tokens = zip(*scores, strict=True)
    # numpy.max keeps a number that is not a number; max() may lose it.
    return Comparison(compared, float(np.max(differences)), sum(found), sum(own), sum(tokens))


def _largest_difference(found: Float32Array, own: Float32Array) -> float:
    """The largest difference of elements, without those that are too improbable for both."""
    with np.errstate(invalid="ignore"):
        differences = np.where(np.maximum(found, own) < _LEAST_LOG_PROB, 0.0, np.abs(found - own))
    return float(differences.max())
