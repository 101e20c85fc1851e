"""Words for a gap: a text with a gap in, the most probable words for the gap out.

A model that fills gaps (`GapModel`) reads both sides, and answers with its distribution of the gap. For a model of
the next word, by the chain rule, the probability of the word w, given the text on the left and on the right of the
gap, is

    P(w | left, right) = P(w | left) P(right | left, w) / Z

where Z is the sum of the numerators of all words. So every model that predicts from left to right fills gaps
exactly. P(right | left, w) is at most 1, so P(w | left) bounds the numerator. The candidates are scored in falling
order of this bound, in batches, and no further than until nothing that is left can reach the k-th best numerator.
Within a batch, the bound falls with each token of the right text, and a candidate is dropped as soon as its bound
is too low.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.arguments import whole_number
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.errors import DataError, UsageError, quoted
from lmctl.layers.distributions import check_log_probs
from lmctl.progress import tell
from lmctl.query.batching import BATCH_TOKENS, LARGEST_BATCH
from lmctl.query.prediction import allowed_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lmctl.arrays import BoolArray, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.families.gap_model import GapModel
    from lmctl.query.text_model import TextModel

BLANK = "___"
# Candidates that are scored together if the state of a column is no more than a few words.
LARGEST_BATCH_OF_WORDS = 1024
# Rounding may lift the log probability of a token above 0, by less than this.
ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Filling:
    """A word for a gap.

    Attributes:
        word: the word.
        prob: its numerator over the sum of the numerators of all scored candidates. This is the probability of the
            word among the candidates if all of them have been scored, and else an upper bound of it. A model that
            fills gaps always scores all; the numerator is then the probability of the word in the gap.
        logprob: the natural logarithm of `prob`.
        lower_prob: a lower bound of the probability; `prob` if all candidates have been scored.
        lower_logprob: the natural logarithm of `lower_prob`.
    """

    word: str
    prob: float
    logprob: float
    lower_prob: float
    lower_logprob: float


@dataclass(frozen=True, slots=True)
class GapAnswer:
    """The answers to a text with a gap.

    Attributes:
        text: the text, as it was given.
        oov: its words that are out of vocabulary.
        exact: whether the words and their order are certain; False if a limit ended the search too early.
        candidates: number of words that are possible after the left text, or in the gap.
        scored: number of candidates whose numerator has been computed.
        unseen: P(w | left), summed over the other candidates.
        predictions: the best words, best first; of equal ones, the smaller id first.
    """

    text: str
    oov: list[str]
    exact: bool
    candidates: int
    scored: int
    unseen: float
    predictions: list[Filling]


class Filler:
    """Fills gaps, each with one word.

    The text is a whole sentence: it starts after `</s>`, and the `</s>` at its end belongs to the right text. This
    is how `eval` scores a line.

    Args:
        model: the model that answers.
        k: number of words in an answer.
        blank: the marker of the gap.
        limit: largest number of candidates that are scored for a gap; None: as many as it takes. A model that
            fills gaps scores all at once, and takes no limit.
        full: score all candidates, so that the probabilities are exact, too.
        allow_unknown: whether `<unk>` is a candidate.
        allow_sentence_end: whether `</s>` is a candidate: the sentence ends in the gap, and the next one starts.
        candidates: the only candidates, beside the allowed specials; None: the whole vocabulary.
        mid_sentence: the text is a part of a sentence: it does not start after `</s>`, and no `</s>` follows it.

    Raises:
        UsageError: k is no whole number above 0, the marker is empty or has white space, no candidate is in the
            vocabulary, or the model takes no limit.
    """

    def __init__(
        self,
        model: TextModel,
        *,
        k: int = 5,
        blank: str = BLANK,
        limit: int | None = None,
        full: bool = False,
        allow_unknown: bool = False,
        allow_sentence_end: bool = False,
        candidates: Iterable[str] | None = None,
        mid_sentence: bool = False,
    ) -> None:
        self._k = whole_number("k", k)
        if limit is not None and model.gap_model is not None:
            raise UsageError(
                f"{model.bundle.folder}: a limit of {limit} candidates has no effect: a model of family "
                f"{model.bundle.family} scores all of them at once; leave it out"
            )
        self._model = model
        self._blank = blank
        self._gap = gap_pattern(blank)
        self._limit = limit
        self._full = full
        self._allowed = allowed_tokens(model, allow_unknown, allow_sentence_end, candidates)
        self._ends: list[int] = [] if mid_sentence else [SENTENCE_END_ID]

    def split(self, text: str) -> tuple[str, str]:
        """Return the text on the left and on the right of the gap.

        Raises:
            DataError: the text has no gap, or several.
        """
        sides = self._gap.split(text)
        if len(sides) != 2:
            found = f"{len(sides) - 1} gaps" if len(sides) > 1 else "no gap"
            raise DataError(
                f"{found} in {quoted(text, 60)}; expected one {self._blank}, where the word is missing"
            )
        return sides[0], sides[1]

    def answer(self, text: str) -> GapAnswer:
        """Fill the gap of a text.

        Raises:
            DataError: the text has no gap, or several.
        """
        # Both sides are cut into words apart, so that no word reaches over the gap.
        left, right = map(self._model.encode, self.split(text))
        oov = [
            word
            for side in (left, right)
            for word, token_id in zip(side.words, side.token_ids, strict=True)
            if token_id == UNKNOWN_ID
        ]
        if self._model.gap_model is not None:
            return self._filled(self._model.gap_model, text, oov, left.token_ids, right.token_ids)
        language_model = self._model.language_model
        state = self._model.contexts.states([[*self._ends, *left.token_ids]])
        log_probs = language_model.log_probs(state)[0]
        check_log_probs(log_probs)
        # Tokens that no longer depend on the word are a factor of all numerators.
        targets = [*right.token_ids, *self._ends][: language_model.context_length]
        token_ids = np.flatnonzero(self._allowed & (log_probs > -np.inf))
        token_ids = token_ids[np.argsort(-log_probs[token_ids], kind="stable")]
        search = _Search(language_model, state, token_ids, log_probs[token_ids].astype(np.float64), targets)
        exact = search.run(len(token_ids) if self._full else self._k, self._limit)
        return GapAnswer(
            text,
            oov,
            exact,
            len(token_ids),
            int(np.count_nonzero(search.is_scored)),
            float(np.exp(search.priors[~search.is_scored]).sum()),
            self._predictions(search),
        )

    def _filled(
        self, gap_model: GapModel, text: str, oov: list[str], left: list[int], right: list[int]
    ) -> GapAnswer:
        """The answer of a model that fills gaps: the distribution of the gap, over the candidates alone."""
        token_ids = np.array([*self._ends, *left, UNKNOWN_ID, *right, *self._ends])
        gap = len(self._ends) + len(left)
        log_probs = gap_model.log_probs([token_ids], np.array([gap]))[0]
        check_log_probs(log_probs)
        candidates = np.flatnonzero(self._allowed)
        logs = log_probs[candidates].astype(np.float64)
        logs -= _log_sum(logs)
        best = np.argsort(-logs, kind="stable")[: self._k]
        words = self._model.vocabulary.words
        fillings = [
            Filling(words[token_id], math.exp(log), log, math.exp(log), log)
            for token_id, log in zip(candidates[best].tolist(), logs[best].tolist(), strict=True)
        ]
        return GapAnswer(text, oov, True, len(candidates), len(candidates), 0.0, fillings)

    def _predictions(self, search: _Search) -> list[Filling]:
        numerators = search.bounds[search.is_scored]
        token_ids = search.token_ids[search.is_scored]
        total = _log_sum(numerators)
        highest_total = float(np.logaddexp(total, _log_sum(search.bounds[~search.is_scored])))
        best = np.lexsort((token_ids, -numerators))[: self._k]
        return [
            Filling(
                self._model.vocabulary.words[token_id],
                math.exp(numerator - total),
                numerator - total,
                math.exp(numerator - highest_total),
                numerator - highest_total,
            )
            for token_id, numerator in zip(token_ids[best].tolist(), numerators[best].tolist(), strict=True)
            if numerator > -math.inf
        ]


class _Search:
    """The numerators of candidates, computed as far as they are needed.

    Args:
        language_model: the model.
        state: the state after the left text, one column.
        token_ids: the candidates, (N,), in falling order of `priors`.
        priors: ln P(w | left), (N,).
        targets: the tokens of the right text that depend on the word.

    Attributes:
        bounds: upper bounds of the natural logs of the numerators, (N,); for scored candidates, the logs.
        is_scored: whether the numerator has been computed, (N,).
    """

    def __init__(
        self,
        language_model: LanguageModel[Any],
        state: Any,
        token_ids: IntArray,
        priors: Float64Array,
        targets: list[int],
    ) -> None:
        self._language_model = language_model.for_many_columns()
        self._state = state
        self.token_ids = token_ids
        self.priors = priors
        self._targets = targets
        has_short_state = language_model.context_length is not None
        self._batch = LARGEST_BATCH_OF_WORDS if has_short_state else LARGEST_BATCH
        self.bounds = priors.copy()
        self.is_scored: BoolArray = np.zeros(len(priors), dtype=bool)
        # The k-th best numerator so far.
        self._bar = -math.inf

    def run(self, k: int, limit: int | None) -> bool:
        """Score candidates until the k best are certain, or `limit` candidates have been scored.

        Returns:
            Whether the k best and their order are certain.
        """
        end = len(self.priors) if limit is None else min(limit, len(self.priors))
        first = 0
        while first < end and self._may_reach_bar(first):
            places = np.arange(first, min(first + self._batch, end) if self._targets else end)
            self._score(places)
            first += len(places)
            tell(f"filling the gap, {first:,} of at most {end:,} candidates")
            numerators = self.bounds[self.is_scored]
            if len(numerators) >= k:
                self._bar = float(np.partition(numerators, len(numerators) - k)[len(numerators) - k])
        return first == len(self.priors) or not self._may_reach_bar(first)

    def _may_reach_bar(self, place: int) -> bool:
        return bool(self.bounds[place] >= self._bar - ROUNDING * len(self._targets))

    def _score(self, places: IntArray) -> None:
        """Read the right text after some candidates, in blocks that become longer: most are dropped early."""
        state = self._language_model.select_columns(self._state, np.zeros(len(places), dtype=np.int64))
        last = self.token_ids[places]
        first, size = 0, 1
        while first < len(self._targets) and len(places):
            block = np.array(self._targets[first : first + size])
            targets = np.repeat(block[:, None], len(places), axis=1)
            inputs = np.concatenate([last[None], targets[:-1]])
            lengths = np.full(len(places), len(block))
            scores, state = self._language_model.score(inputs, targets, lengths, state)
            check_log_probs(scores.log_probs)
            # Added one token after the other, so that a sum does not depend on the blocks.
            for of_token in scores.log_probs:
                self.bounds[places] += of_token
            bounds = self.bounds[places]
            # Nothing makes an impossible text possible again.
            self.is_scored[places[bounds == -np.inf]] = True
            first += len(block)
            size = min(2 * size, max(1, BATCH_TOKENS // len(places)))
            kept = bounds > -np.inf
            if first < len(self._targets):
                kept &= bounds >= self._bar - ROUNDING * (len(self._targets) - first)
            if not kept.all():
                places, state = places[kept], self._language_model.select_columns(state, np.flatnonzero(kept))
            last = np.full(len(places), block[-1])
        self.is_scored[places] = True


def gap_pattern(blank: str) -> re.Pattern[str]:
    """Return the pattern that finds gaps. If the marker repeats one symbol, a longer row of it is also one gap.

    Raises:
        UsageError: the marker is empty or has white space.
    """
    if not blank or blank.split() != [blank]:
        raise UsageError(f"the marker of the gap is {quoted(blank)}; expected characters without white space")
    is_row = len(set(blank)) == 1 and not blank.isalnum()
    return re.compile(re.escape(blank) + (f"{re.escape(blank[0])}*" if is_row else ""))


def _log_sum(logs: Float64Array) -> float:
    """The natural log of the sum of numbers, given their natural logs."""
    return float(np.logaddexp.reduce(logs, initial=-np.inf))
