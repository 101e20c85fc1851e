"""Predicts the most probable next words after contexts."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmctl.arguments import texts_of, whole_number
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import UsageError
from lmctl.layers.distributions import check_log_probs
from lmctl.query.batching import read_side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, IntArray
    from lmctl.query.text_model import EncodedText, TextModel


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: a word, its probability, and the natural logarithm of that."""

    word: str
    prob: float
    logprob: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The predictions for one context, and its OOVs."""

    context: str
    oov: list[str]
    predictions: list[Prediction]


class Predictor:
    """Answers contexts, in batches or one by one.

    Args:
        model: the model.
        k: largest number of words in an answer.
        threshold: smallest probability of a word in an answer.
        allow_unknown: whether `<unk>` may be an answer.
        allow_sentence_end: whether `</s>` may be an answer.
        candidates: the only words that may be answers; those that are not in the vocabulary are ignored. None: all
            words.
        mid_sentence: whether contexts start in the middle of a sentence; by default, they start a sentence.
        state: "reset": contexts are independent; "carry": each context continues the one before.
        peek: for "carry": a context that does not end in white space is answered, and the next one does not
            continue it.

    Raises:
        UsageError: k is no whole number above 0, none of the candidates is in the vocabulary, or the model does
            not predict the next word.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        k: int = 5,
        threshold: float = 0.0,
        allow_unknown: bool = False,
        allow_sentence_end: bool = False,
        candidates: Iterable[str] | None = None,
        mid_sentence: bool = False,
        state: Literal["reset", "carry"] = "reset",
        peek: bool = False,
    ) -> None:
        self._model = model
        self._language_model = model.language_model
        self._k = whole_number("k", k)
        self._threshold = threshold
        self._allowed = allowed_tokens(model, allow_unknown, allow_sentence_end, candidates)
        # The token before a context: the end of the sentence before, or nothing if that is unknown.
        self._before = [] if mid_sentence else [SENTENCE_END_ID]
        self._carry = state == "carry"
        self._peek = peek
        self._carried: Any = None
        if self._carry:
            self._carried = self._read(self._language_model.null_state(1), [self._before])

    def answer(self, contexts: Sequence[str]) -> list[Answer]:
        """Return the answers to contexts, in order."""
        encoded = [self._model.encode(context) for context in contexts]
        if self._carry:
            states = self._carried_states(contexts, encoded)
            found = [self._best(state, self._allowed)[0] for state in states]
        else:
            found = [[] for _ in encoded]
            for places, state in self._read_from_start(encoded):
                for place, predictions in zip(places, self._best(state, self._allowed), strict=True):
                    found[place] = predictions
        return [
            Answer(context, self._unknown_words(text), predictions)
            for context, text, predictions in zip(contexts, encoded, found, strict=True)
        ]

    def _states(self, contexts: Sequence[str], encoded: list[EncodedText]) -> Iterable[Any]:
        """The state after each context, one column each."""
        if self._carry:
            return self._carried_states(contexts, encoded)
        states: list[Any] = [None] * len(encoded)
        for places, state in self._read_from_start(encoded):
            for column, place in enumerate(places):
                states[place] = self._language_model.select_columns(state, np.array([column]))
        return states

    def _read_from_start(self, encoded: list[EncodedText]) -> Iterator[tuple[list[int], Any]]:
        """Yield the places of some contexts, and the state after them, one in each column."""
        return self._model.contexts.read([self._before + text.token_ids for text in encoded])

    def _carried_states(self, contexts: Sequence[str], encoded: list[EncodedText]) -> Iterator[Any]:
        for context, text in zip(contexts, encoded, strict=True):
            state = self._read(self._carried, [text.token_ids])
            if self.carries(context):
                self._carried = state
            yield state

    def carries(self, context: str) -> bool:
        """Whether the next context continues this one."""
        return self._carry and (not self._peek or context[-1:].isspace())

    def _read(self, state: Any, contexts: list[list[int]]) -> Any:
        """Return the state after reading contexts, one in each column."""
        return read_side_by_side(self._language_model, state, contexts)

    def _best(self, state: Any, allowed: BoolArray) -> list[list[Prediction]]:
        token_ids, log_probs = self._language_model.top_k(state, self._k, allowed)
        check_log_probs(log_probs)
        return self._predictions(token_ids, log_probs)

    def _predictions(self, token_ids: IntArray, log_probs: NDArray[np.floating]) -> list[list[Prediction]]:
        """The answers with these ids and natural log probabilities, both (B, k)."""
        return [
            [
                Prediction(word, math.exp(log_prob), log_prob)
                for word, log_prob in zip(self._model.vocabulary.decode(ids), row, strict=True)
                # A word with probability 0 is no answer. Maximum likelihood gives 0 to words that never followed.
                if math.exp(log_prob) >= self._threshold and log_prob > -math.inf
            ]
            for ids, row in zip(token_ids.tolist(), log_probs.tolist(), strict=True)
        ]

    def _unknown_words(self, text: EncodedText) -> list[str]:
        return [word for word, token_id in zip(text.words, text.token_ids, strict=True) if token_id == UNKNOWN_ID]


def allowed_tokens(
    model: TextModel, allow_unknown: bool, allow_sentence_end: bool, candidates: Iterable[str] | None
) -> BoolArray:
    """Return whether each token may be an answer, (V,)."""
    if candidates is None:
        allowed = np.ones(len(model.vocabulary), dtype=bool)
        allowed[UNKNOWN_ID], allowed[SENTENCE_END_ID] = allow_unknown, allow_sentence_end
        return allowed
    allowed = np.zeros(len(model.vocabulary), dtype=bool)
    wanted = [model.tokenizer.normalization(word) for word in texts_of("candidates", candidates)]
    known = set(model.vocabulary.encode(wanted)) - {UNKNOWN_ID, SENTENCE_END_ID}
    allowed[list(known)] = True
    allowed[UNKNOWN_ID] = allow_unknown
    allowed[SENTENCE_END_ID] = allow_sentence_end
    if not allowed.any():
        raise UsageError(f"none of the {len(wanted)} candidates is in the model's vocabulary")
    if len(known) < len(set(wanted)):
        logger.warning(
            "%d of %d candidates are not in the model's vocabulary and are ignored",
            len(set(wanted)) - len(known),
            len(set(wanted)),
        )
    return allowed
