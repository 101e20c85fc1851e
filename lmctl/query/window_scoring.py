"""Scores windows of a text: sentences side by side, or one after the other with the state carried over."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.base import DISTRIBUTIONS_AT_ONCE, Scores
from lmctl.layers.distributions import check_log_probs
from lmctl.query.batching import batches_by_length, blocks_of_time
from lmctl.query.sentence_scores import EncodedLine, Tokens, WindowScores, lengths_of, token_ids_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.progress import Meter

# A window of this many tokens is read before it is scored, so that batches have sentences of similar length.
# Memory depends on the window, not on the length of the text.
WINDOW_TOKENS = 1 << 15


def windows(lines: Iterable[EncodedLine]) -> Iterator[list[EncodedLine]]:
    """Yield windows of sentences; a window is scored together."""
    window: list[EncodedLine] = []
    tokens = 0
    for line in lines:
        window.append(line)
        tokens += len(line.text.token_ids) + 1
        if tokens >= WINDOW_TOKENS:
            yield window
            window, tokens = [], 0
    if window:
        yield window


class Wanted(NamedTuple):
    """What is computed beside the log probabilities."""

    ranks: bool = False
    entropies: bool = False
    top_answers: bool = False


def scorer(
    language_model: LanguageModel[Any],
    state: Literal["reset", "carry"],
    wanted: Wanted,
    threads: int,
    meter: Meter,
) -> Callable[[list[EncodedLine]], WindowScores]:
    """A function that scores the windows of a text, one after the other."""
    if state == "carry" or language_model.forgets_at_sentence_end:
        return _Carried(language_model, wanted, meter)
    return _Reset(language_model, wanted, threads, meter)


class _Reset:
    """Scores windows of independent sentences."""

    def __init__(self, language_model: LanguageModel[Any], wanted: Wanted, threads: int, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model.for_many_columns()
        self._wanted = wanted
        self._threads = min(threads or scoring_threads(), scoring_threads())

    def __call__(self, window: list[EncodedLine]) -> WindowScores:
        lengths = lengths_of(window)
        firsts = np.cumsum(lengths) - lengths
        batches = list(batches_by_length(lengths.tolist()))
        # The place of each result in the window.
        places: list[IntArray] = []
        results: list[Tokens] = []
        # NumPy releases Python's global lock, and batches are independent, so threads compute at the same time.
        with ThreadPoolExecutor(self._threads) as threads:
            score: Iterable[_Found]
            try:
                score = threads.map(partial(self._score, window), batches)
            except RuntimeError:
                # No thread could be started (ulimit -u, or a container's limit of processes).
                score = map(partial(self._score, window), batches)
            for batch, found in zip(batches, score, strict=True):
                steps = np.arange(lengths[batch].max())[:, None]
                there = steps < lengths[batch]
                places.append((firsts[batch] + steps)[there])
                results.append(found.tokens(there))
                self._meter.done(int(lengths[batch].sum()))
        order = np.argsort(np.concatenate(places))
        log_probs, *others = zip(*results, strict=True)
        tokens = Tokens(np.concatenate(log_probs), *(_joined(each, -1) for each in others))
        return WindowScores(window, token_ids_of(window), tokens.at(order))

    def _score(self, window: list[EncodedLine], places: list[int]) -> _Found:
        """Score sentences in one batch, one in each column."""
        lengths = np.array([len(window[place].text.token_ids) + 1 for place in places])
        inputs, targets = _side_by_side([window[place].text.token_ids for place in places], int(lengths.max()))
        state = self._language_model.null_state(len(places))
        return _score_in_blocks(self._language_model, inputs, targets, lengths, state, self._wanted)[0]


def scoring_threads() -> int:
    """Return the number of batches scored at once: one for each core, or 1 if BLAS itself uses several threads."""
    return len(os.sched_getaffinity(0)) if os.environ.get("OPENBLAS_NUM_THREADS") == "1" else 1


class _Carried:
    """Scores windows of one text, and carries the state from each window to the next."""

    def __init__(self, language_model: LanguageModel[Any], wanted: Wanted, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model
        self._wanted = wanted
        self._state: Any = language_model.null_state(1)

    def __call__(self, window: list[EncodedLine]) -> WindowScores:
        token_ids = token_ids_of(window)
        targets = token_ids[:, None]
        # `</s>` precedes the first word of every sentence: it is the end of the sentence before.
        inputs = np.concatenate([[[SENTENCE_END_ID]], targets[:-1]])
        found, self._state = _score_in_blocks(
            self._language_model, inputs, targets, np.array([len(targets)]), self._state, self._wanted, self._meter
        )
        return WindowScores(window, token_ids, found.tokens(np.ones(targets.shape, dtype=bool)))


class _Whole(NamedTuple):
    """What whole distributions show, (T, B) each: entropies, and ids and log probabilities of top answers."""

    entropies: Float64Array | None
    top_ids: IntArray | None
    top_log_probs: Float64Array | None


_NOTHING = _Whole(None, None, None)


class _Found(NamedTuple):
    """The results for a batch of sentences."""

    scores: Scores
    whole: _Whole

    def tokens(self, there: BoolArray) -> Tokens:
        """The results at some places, (T, B), step by step."""
        found = self.scores
        every = Tokens(found.log_probs, found.ranks, found.ngram_lengths, found.ngram_terms, *self.whole)
        return every.at(there)


def _side_by_side(sentences: list[list[int]], steps: int) -> tuple[IntArray, IntArray]:
    """Return inputs and targets, both (T, B). Inputs have `</s>` before each sentence, targets after it."""
    inputs = np.full((steps, len(sentences)), SENTENCE_END_ID)
    targets = np.full((steps, len(sentences)), SENTENCE_END_ID)
    for column, token_ids in enumerate(sentences):
        inputs[1 : len(token_ids) + 1, column] = token_ids
        targets[: len(token_ids), column] = token_ids
    return inputs, targets


def _score_in_blocks(
    language_model: LanguageModel[Any],
    inputs: IntArray,
    targets: IntArray,
    lengths: IntArray,
    state: Any,
    wanted: Wanted,
    meter: Meter | None = None,
) -> tuple[_Found, Any]:
    """Score (T, B) in blocks of steps, so that a very long sentence needs no more memory."""
    parts, wholes = [], [_NOTHING]
    for block in blocks_of_time(*inputs.shape):
        there = np.clip(lengths - block.start, 0, block.stop - block.start)
        if wanted.entropies or wanted.top_answers:
            wholes.append(_of_distributions(language_model, inputs[block], there, state, wanted))
        part, state = language_model.score(inputs[block], targets[block], there, state, ranks=wanted.ranks)
        check_log_probs(part.log_probs)
        parts.append(part)
        if meter is not None:
            meter.done(int(there.sum()))
    scores = Scores(
        np.concatenate([part.log_probs for part in parts]),
        _joined([part.ranks for part in parts]),
        ngram_lengths=_joined([part.ngram_lengths for part in parts]),
        ngram_terms=_joined([part.ngram_terms for part in parts], axis=1),
    )
    entropies, top_ids, top_log_probs = map(_joined, zip(*wholes, strict=True))
    return _Found(scores, _Whole(entropies, top_ids, top_log_probs)), state


def _of_distributions(
    language_model: LanguageModel[Any], inputs: IntArray, lengths: IntArray, state: Any, wanted: Wanted
) -> _Whole:
    """Entropies, in nats, and top answers of the distribution after each input; undefined after a column's end.

    H = - sum over all words of P ln P (Shannon 1948). A word of probability 0 adds nothing.
    """
    entropies = np.zeros(inputs.shape) if wanted.entropies else None
    top_ids = np.zeros(inputs.shape, dtype=np.int64) if wanted.top_answers else None
    top_log_probs = np.zeros(inputs.shape) if wanted.top_answers else None
    at_once = max(1, DISTRIBUTIONS_AT_ONCE // (inputs.shape[1] * language_model.vocabulary_size))
    for first in range(0, len(inputs), at_once):
        block = slice(first, first + at_once)
        there = np.clip(lengths - first, 0, len(inputs[block]))
        log_probs, state = language_model.advance_with_log_probs(state, inputs[block], there)
        if top_ids is not None and top_log_probs is not None:
            top_ids[block] = log_probs.argmax(axis=2)
            top_log_probs[block] = log_probs.max(axis=2)
        if entropies is not None:
            terms = np.zeros(log_probs.shape)
            np.multiply(np.exp(log_probs, dtype=np.float64), log_probs, out=terms, where=log_probs > -np.inf)
            entropies[block] = -terms.sum(axis=2)
    return _Whole(entropies, top_ids, top_log_probs)


def _joined(parts: Sequence[NDArray[Any] | None], axis: int = 0) -> NDArray[Any] | None:
    """Concatenate arrays; None if all are None."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there, axis) if there else None
