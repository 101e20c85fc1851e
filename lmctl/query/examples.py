"""Words of a text that a model predicts best and worst, each in its context.

The context is the words before the word; of a model that fills gaps, those on both sides of it in its line.

A frequent word is probable in every context, so the best predictions are those that gain most over the frequency
of the word: log2 P(word | context) - log2 (count of the word / count of all tokens), in bits. This is the
pointwise mutual information of word and context (Church & Hanks 1990) under the model. The worst predictions have
the highest surprisal, -log2 P(word | context). OOVs and ends of sentences are left out. Each word is shown once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.query.metrics import LN_2, surprisal_bits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmctl.query.gap_scoring import GapScore
    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.query.text_model import TextModel

    Score = SentenceScore | GapScore

# Words of a context that are kept: before a word, or on each side of a gap.
CONTEXT_WORDS = 12
WORDS_PER_SIDE = 8


class Context(NamedTuple):
    """The words that a word was predicted from, as far as they are kept.

    Attributes:
        before: the words before it in its line.
        has_more_before: whether the line has more words before them.
        after: the words after it, which only models that fill gaps read.
        has_more_after: whether the line has more words after them.
    """

    before: tuple[str, ...]
    has_more_before: bool
    after: tuple[str, ...] = ()
    has_more_after: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One word of a text.

    Attributes:
        context: what it was predicted from.
        word: the word.
        line: number of its line in the text, from 1.
        bits: its surprisal; infinite if its probability is 0.
        gain: bits gained over the frequency of the word; None if the counts of words are not known.
        answer: the token that the model found most probable; None if it was not computed.
        confidence: probability of the answer.
    """

    context: Context
    word: str
    line: int
    bits: float
    gain: float | None
    answer: str | None
    confidence: float | None


class ExampleFinder:
    """Keeps the best and the worst prediction of each word.

    Args:
        model: the model whose scores are added.
    """

    def __init__(self, model: TextModel) -> None:
        self._words = model.vocabulary.words
        self._fills_gaps = model.gap_model is not None
        counts = np.array(model.vocabulary.counts, dtype=np.float64)
        self._unigram = None if not counts.any() else np.log(np.maximum(counts, 1) / counts.sum())
        self._best: dict[int, tuple[float, Example]] = {}
        self._worst: dict[int, tuple[float, Example]] = {}

    def add(self, score: Score) -> None:
        """Add the words of a sentence."""
        token_ids = np.array(score.token_ids)
        gains = score.log_probs if self._unigram is None else score.log_probs - self._unigram[token_ids]
        for place, token_id in enumerate(score.token_ids):
            if token_id in (UNKNOWN_ID, SENTENCE_END_ID):
                continue
            gain, worth = float(gains[place]), float(score.log_probs[place])
            # An example that takes the place of an earlier one stands behind all that came before.
            if token_id not in self._best or gain > self._best[token_id][0]:
                self._best.pop(token_id, None)
                self._best[token_id] = gain, self._example(score, place, gain)
            if token_id not in self._worst or worth < self._worst[token_id][0]:
                self._worst.pop(token_id, None)
                self._worst[token_id] = worth, self._example(score, place, gain)

    def best(self, most: int) -> list[Example]:
        """Return the best predictions, the best one first."""
        return _first(self._best.values(), most, sign=-1)

    def worst(self, most: int) -> list[Example]:
        """Return the worst predictions, the worst one first."""
        return _first(self._worst.values(), most, sign=1)

    def _example(self, score: Score, place: int, gain: float) -> Example:
        tops, confidences = score.top_ids, score.top_log_probs
        return Example(
            context=self._context(score.words, place),
            word=score.words[place],
            line=score.line,
            bits=surprisal_bits(float(score.log_probs[place])),
            gain=None if self._unigram is None else gain / LN_2,
            answer=None if tops is None else self._words[int(tops[place])],
            confidence=None if confidences is None else math.exp(float(confidences[place])),
        )

    def _context(self, words: list[str], place: int) -> Context:
        first = max(0, place - (WORDS_PER_SIDE if self._fills_gaps else CONTEXT_WORDS))
        before = tuple(words[first:place])
        if not self._fills_gaps:
            return Context(before, first > 0)
        stop = place + 1 + WORDS_PER_SIDE
        return Context(before, first > 0, tuple(words[place + 1 : stop]), stop < len(words))


def _first(found: Iterable[tuple[float, Example]], most: int, *, sign: int) -> list[Example]:
    """The examples with the lowest values times `sign`; of equal ones, the one that stands first in the text."""
    ordered = sorted(found, key=lambda entry: sign * entry[0])
    return [example for _, example in ordered[:most]]
