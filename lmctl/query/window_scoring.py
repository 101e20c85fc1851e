"""Scores windows of a text: sentences side by side, or one after the other with the state carried over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END, SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.base import DISTRIBUTIONS_AT_ONCE, Scores
from lmctl.layers.distributions import check_log_probs
from lmctl.query.batching import batches_by_length, blocks_of_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lmctl.arrays import BoolArray, Float32Array, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.progress import Meter
    from lmctl.query.text_model import EncodedText

# A window of this many tokens is read before it is scored, so that batches have sentences of similar length.
# Memory depends on the window, not on the length of the text.
WINDOW_TOKENS = 1 << 15


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """The log probabilities of one sentence.

    Attributes:
        words: the words of the text after segmentation.
        token_ids: ids of the words, and of `</s>` at the end; an OOV has the id of `<unk>`.
        log_probs: natural log probability of each token.
        ranks: rank of each token in its distribution, from 1; a tie gets the worst rank. None: not computed.
        characters: code points of the normalised line, plus one for its end.
        line: number of its line in the text, from 1; blank lines that are left out also count.
        ngram_lengths: length of the n-gram that gave each probability, the token included; None for models without
            n-grams.
        ngram_terms: the terms of each log probability, (N, tokens); see `Scores.ngram_terms`.
        entropies: entropy of the distribution that predicted each token, in nats. None: not computed.
        top_ids: the most probable token in place of each token; of equally probable ones the smallest id. None:
            not computed.
        top_log_probs: natural log probability of each of them. None: not computed.
    """

    words: list[str]
    token_ids: list[int]
    log_probs: Float64Array
    ranks: IntArray | None
    characters: int
    line: int = 1
    ngram_lengths: IntArray | None = None
    ngram_terms: Float32Array | None = None
    entropies: Float64Array | None = None
    top_ids: IntArray | None = None
    top_log_probs: Float64Array | None = None

    @property
    def oov(self) -> int:
        """Number of OOVs."""
        return self.token_ids.count(UNKNOWN_ID)

    @property
    def total_log_prob(self) -> float:
        """Natural log probability of the sentence, its end included."""
        return float(self.log_probs.sum())

    def _repr_html_(self) -> str:
        from lmctl.query.notebook import shaded

        return shaded([*self.words, SENTENCE_END], self.log_probs.tolist())


class EncodedLine(NamedTuple):
    """A line of a text after encoding; its number is counted from 1."""

    number: int
    text: EncodedText


class Tokens(NamedTuple):
    """The results for all tokens of a window, one after the other; see the attributes of `SentenceScore`."""

    log_probs: Float64Array
    ranks: IntArray | None
    ngram_lengths: IntArray | None
    ngram_terms: Float32Array | None
    entropies: Float64Array | None
    top_ids: IntArray | None
    top_log_probs: Float64Array | None

    def at(self, there: Any) -> Tokens:
        """The results for some tokens, given what NumPy takes as an index: places, a slice, or (T, B) flags."""
        others: Iterator[Any] = (None if each is None else each[..., there] for each in self[1:])
        return Tokens(self.log_probs[there], *others)


class WindowScores(Sequence[SentenceScore]):
    """The scores of the sentences of a window. A `SentenceScore` is made only if it is asked for.

    Args:
        lines: the sentences.
        token_ids: ids of all tokens of all sentences, each sentence with `</s>` at its end, (N,).
        tokens: the results for these tokens.

    Attributes:
        ends: the place after the last token of each sentence, (sentences,).
    """

    def __init__(self, lines: list[EncodedLine], token_ids: IntArray, tokens: Tokens) -> None:
        self.lines = lines
        self.token_ids = token_ids
        self.tokens = tokens
        self.ends = np.cumsum(_lengths(lines))

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, place: int) -> SentenceScore: ...

    @overload
    def __getitem__(self, place: slice) -> list[SentenceScore]: ...

    def __getitem__(self, place: int | slice) -> SentenceScore | list[SentenceScore]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        line, stop = self.lines[place], int(self.ends[place])
        found = self.tokens.at(slice(stop - len(line.text.token_ids) - 1, stop))
        return SentenceScore(
            line.text.words,
            [*line.text.token_ids, SENTENCE_END_ID],
            found.log_probs,
            found.ranks,
            line.text.characters + 1,
            line.number,
            found.ngram_lengths,
            found.ngram_terms,
            found.entropies,
            found.top_ids,
            found.top_log_probs,
        )


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
        lengths = _lengths(window)
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
        return WindowScores(window, _token_ids(window), tokens.at(order))

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
        token_ids = _token_ids(window)
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


def _lengths(lines: Sequence[EncodedLine]) -> IntArray:
    """The number of tokens of each sentence, `</s>` included."""
    return np.array([len(line.text.token_ids) + 1 for line in lines])


def _token_ids(lines: Sequence[EncodedLine]) -> IntArray:
    """The ids of all tokens, the `</s>` of each sentence included."""
    end = (SENTENCE_END_ID,)
    return np.fromiter(
        chain.from_iterable(chain.from_iterable((line.text.token_ids, end) for line in lines)), np.int64
    )
