"""Completes an unfinished word: the words of a vocabulary that begin with some characters."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SPECIALS
from lmctl.errors import UsageError
from lmctl.layers.distributions import check_log_probs, largest
from lmctl.query.prediction import Answer, Prediction, Predictor
from lmctl.text.alignment import locate_tokens
from lmctl.text.scripts import HAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import IntArray
    from lmctl.query.text_model import TextModel

_LAST_RUN = re.compile(r"\S+\Z")
_HAN_WORD = re.compile(f"[{HAN}]")
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class PrefixAnswer(Answer):
    """The predictions for one context whose last word is unfinished; `prefix` is its part that is there."""

    prefix: str


class Prefixes:
    """The words of a vocabulary, found by their first characters.

    Args:
        words: all words by id; the specials at the start are never found.
        ignore_case: whether capital and small letters are equal (Unicode case folding).
        pinyin: whether words with Han characters are also found by their pinyin without tones, with v for ü.

    Raises:
        UsageError: pinyin is asked for, and the package pypinyin is not installed.
    """

    def __init__(self, words: Sequence[str], *, ignore_case: bool = False, pinyin: bool = False) -> None:
        self._ignore_case = ignore_case
        spelled = [(self._folded(word), token_id) for token_id, word in enumerate(words)][len(SPECIALS) :]
        if pinyin:
            spelled += [(self._folded(spelling), token_id) for spelling, token_id in _pinyin(words)]
        spelled.sort()
        self._spellings = [spelling for spelling, _ in spelled]
        self._ids = np.array([token_id for _, token_id in spelled], dtype=np.int64)

    def __call__(self, prefix: str) -> IntArray:
        """The ids of the words that begin with a prefix, in rising order."""
        folded = self._folded(prefix)
        first = bisect.bisect_left(self._spellings, folded)
        stop = bisect.bisect_right(self._spellings, folded + _LAST_CHARACTER, first)
        return np.unique(self._ids[first:stop])

    def _folded(self, text: str) -> str:
        return text.casefold() if self._ignore_case else text


def _pinyin(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    try:
        from pypinyin import lazy_pinyin
    except ImportError as error:
        raise UsageError("--pinyin needs the package pypinyin; install lmctl[pinyin]") from error
    for token_id, word in enumerate(words):
        if _HAN_WORD.search(word):
            yield "".join(lazy_pinyin(word)), token_id


class PrefixPredictor(Predictor):
    """Answers contexts whose last word may be unfinished with words that begin like it.

    A context that ends in white space has no unfinished word. Else it is the longest end of the context that
    starts where a token starts, and with which a word of the vocabulary begins; or the last token, if there is
    none.

    Args:
        model: the model.
        prefixes: finds the words of its vocabulary.
        given_prefix: whether the probabilities are those given that the word begins with the prefix, so that those
            of all answers together are 1; else they are those of the whole distribution.
        settings: as of `Predictor`. A carried state needs `peek`.

    Raises:
        UsageError: as raised by `Predictor`, or the state is carried without `peek`.
    """

    def __init__(
        self, model: TextModel, *, prefixes: Prefixes, given_prefix: bool = False, **settings: Any
    ) -> None:
        super().__init__(model, **settings)
        if model.tokenizer.segmenter.identity.name == "sentencepiece":
            raise UsageError(
                f"{model.bundle.folder}: its tokens are pieces of words (segmenter sentencepiece), and --prefix "
                "completes whole words of a vocabulary; use a model with another segmenter"
            )
        if self._carry and not self._peek:
            raise UsageError("a carried state reads finished words only: --prefix needs --peek there")
        self._prefixes = prefixes
        self._given_prefix = given_prefix

    def answer(self, contexts: Sequence[str]) -> list[Answer]:
        """See `Predictor.answer`."""
        parts = [self._without_prefix(context) for context in contexts]
        encoded = [self._model.encode(before) for before, _ in parts]
        states = self._states(contexts, encoded)
        found: list[Answer] = []
        for context, (_, prefix), text, state in zip(contexts, parts, encoded, states, strict=True):
            predictions = self._completed(state, prefix)
            found.append(PrefixAnswer(context, self._unknown_words(text), predictions, prefix))
        return found

    def _without_prefix(self, context: str) -> tuple[str, str]:
        """The context before its unfinished word, and that word, normalized."""
        run = _LAST_RUN.search(context)
        if run is None:
            return context, ""
        tokenizer = self._model.tokenizer
        starts = [token.start for token in locate_tokens(tokenizer, run[0])] or [0]
        for start in starts:
            prefix = tokenizer.normalization(run[0][start:])
            if len(self._prefixes(prefix)):
                break
        return context[: run.start() + start], prefix

    def _completed(self, state: Any, prefix: str) -> list[Prediction]:
        allowed = self._allowed
        if prefix:
            allowed = np.zeros_like(self._allowed)
            allowed[self._prefixes(prefix)] = True
            allowed &= self._allowed
        if not allowed.any():
            return []
        if not prefix and not self._given_prefix:
            return self._best(state, allowed)[0]
        # The whole distribution is faster than a search for the best of few words.
        log_probs = self._language_model.log_probs(state)[:, allowed]
        check_log_probs(log_probs)
        token_ids, best = largest(log_probs, np.flatnonzero(allowed), min(self._k, log_probs.shape[1]))
        # If no word that begins so is possible, there is nothing to divide by, and no answer.
        if self._given_prefix and best[0, 0] > -np.inf:
            best = best - np.logaddexp.reduce(log_probs[0].astype(np.float64))
        return self._predictions(token_ids, best)[0]
