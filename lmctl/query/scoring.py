"""Scores text: log probabilities of its words and sentence ends."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.base import Scores
from lmctl.layers.distributions import check_log_probs
from lmctl.progress import Meter
from lmctl.query.batching import batches_by_length, blocks_of_time
from lmctl.query.text_model import EncodedText

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.base import LanguageModel
    from lmctl.query.text_model import TextModel

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
    """

    words: list[str]
    token_ids: list[int]
    log_probs: Float64Array
    ranks: IntArray | None
    characters: int
    line: int = 1
    ngram_lengths: IntArray | None = None
    ngram_terms: Float32Array | None = None

    @property
    def oov(self) -> int:
        """Number of OOVs."""
        return self.token_ids.count(UNKNOWN_ID)

    @property
    def total_log_prob(self) -> float:
        """Natural log probability of the sentence, its end included."""
        return float(self.log_probs.sum())


class _Line(NamedTuple):
    """A line of a text after encoding."""

    number: int
    text: EncodedText


def score_sentences(
    model: TextModel,
    lines: Iterable[str],
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    ranks: bool = False,
    threads: int = 0,
) -> Iterator[SentenceScore]:
    """Score a text with one sentence a line, in order; see `score_batches`.

    Args:
        model: the model.
        lines: the lines of the text, which are read on demand.
        state: "reset": every sentence starts from the initial state; "carry": from the state after the one before.
        blank_lines: whether a line without words is left out or is a sentence (only `</s>`); None: as in training.
        ranks: whether to compute the rank of each token.
        threads: largest number of batches that are scored at once; 0: the number of cores.
    """
    for scores in score_batches(
        model, [lines], state=state, blank_lines=blank_lines, ranks=ranks, threads=threads
    ):
        yield from scores


def score_batches(
    model: TextModel,
    batches: Iterable[Iterable[str]],
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    ranks: bool = False,
    threads: int = 0,
    meter: Meter | None = None,
) -> Iterator[list[SentenceScore]]:
    """Score a text whose lines come in batches. A batch is scored before the next one is read.

    Args:
        model: the model.
        batches: the lines of the text.
        state: "reset": every sentence starts from the initial state; "carry": from the state after the one before.
        blank_lines: whether a line without words is left out or is a sentence (only `</s>`); None: as in training.
        ranks: whether to compute the rank of each token.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        meter: counts the tokens that are read and scored.

    Yields:
        Scores of the next sentences, in order.
    """
    keep = (blank_lines or model.bundle.record.recipe.blank_lines) == "keep"
    language_model = model.language_model
    meter = meter or Meter("scoring", None)
    score_window = (
        _Carried(language_model, ranks, meter)
        if state == "carry"
        else _Reset(language_model, ranks, threads, meter)
    )
    number = itertools.count(1)
    for batch in batches:
        lines = (_encoded(model, next(number), line, meter) for line in batch)
        for window in _windows(line for line in lines if line.text.words or keep):
            yield score_window(window)


def _encoded(model: TextModel, number: int, line: str, meter: Meter) -> _Line:
    encoded = _Line(number, model.encode(line))
    meter.tokens_read += len(encoded.text.token_ids) + 1
    return encoded


def token_log_probs(
    language_model: LanguageModel[Any],
    token_ids: IntArray,
    *,
    state: Literal["reset", "carry"],
    threads: int = 0,
) -> Float64Array:
    """Return the natural log probability of every token of a text, (N,).

    Args:
        language_model: the language model.
        token_ids: sentences that each end with `</s>`, (N,).
        state: as in `score_sentences`.
        threads: as in `score_sentences`.
    """
    meter = Meter("scoring", len(token_ids))
    score_window = (
        _Carried(language_model, False, meter)
        if state == "carry"
        else _Reset(language_model, False, threads, meter)
    )
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID)
    sentences = (
        _Line(number, EncodedText([], part[:-1].tolist(), 0))
        for number, part in enumerate(np.split(token_ids, ends + 1)[:-1], start=1)
    )
    meter.units_read = meter.tokens_read = len(token_ids)
    found = [score.log_probs for window in _windows(sentences) for score in score_window(window)]
    return np.concatenate([np.zeros(0), *found])


def _windows(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Yield windows of sentences; a window is scored together."""
    window: list[_Line] = []
    tokens = 0
    for line in lines:
        window.append(line)
        tokens += len(line.text.token_ids) + 1
        if tokens >= WINDOW_TOKENS:
            yield window
            window, tokens = [], 0
    if window:
        yield window


class _Reset:
    """Scores windows of independent sentences."""

    def __init__(self, language_model: LanguageModel[Any], ranks: bool, threads: int, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model
        self._ranks = ranks
        self._threads = min(threads or scoring_threads(), scoring_threads())

    def __call__(self, window: list[_Line]) -> list[SentenceScore]:
        scores: dict[int, SentenceScore] = {}
        batches = list(batches_by_length([len(line.text.token_ids) + 1 for line in window]))
        # NumPy releases Python's global lock, and batches are independent, so threads compute at the same time.
        with ThreadPoolExecutor(self._threads) as threads:
            score: Iterable[Scores]
            try:
                score = threads.map(partial(self._score, window), batches)
            except RuntimeError:
                # No thread could be started (ulimit -u, or a container's limit of processes).
                score = map(partial(self._score, window), batches)
            for places, found in zip(batches, score, strict=True):
                for column, place in enumerate(places):
                    there = slice(0, len(window[place].text.token_ids) + 1)
                    scores[place] = _sentence_score(window[place], found, there, column)
                self._meter.done(sum(len(window[place].text.token_ids) + 1 for place in places))
        return [scores[place] for place in range(len(window))]

    def _score(self, window: list[_Line], places: list[int]) -> Scores:
        """Score sentences in one batch, one in each column."""
        lengths = np.array([len(window[place].text.token_ids) + 1 for place in places])
        inputs, targets = _side_by_side([window[place].text.token_ids for place in places], int(lengths.max()))
        state = self._language_model.null_state(len(places))
        return _score_in_blocks(self._language_model, inputs, targets, lengths, state, self._ranks)[0]


def scoring_threads() -> int:
    """Return the number of batches scored at once: one for each core, or 1 if BLAS itself uses several threads."""
    return len(os.sched_getaffinity(0)) if os.environ.get("OPENBLAS_NUM_THREADS") == "1" else 1


class _Carried:
    """Scores windows of one text, and carries the state from each window to the next."""

    def __init__(self, language_model: LanguageModel[Any], ranks: bool, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model
        self._ranks = ranks
        self._state: Any = language_model.null_state(1)

    def __call__(self, window: list[_Line]) -> list[SentenceScore]:
        targets = np.array([token for line in window for token in (*line.text.token_ids, SENTENCE_END_ID)])[
            :, None
        ]
        # `</s>` precedes the first word of every sentence: it is the end of the sentence before.
        inputs = np.concatenate([[[SENTENCE_END_ID]], targets[:-1]])
        found, self._state = _score_in_blocks(
            self._language_model, inputs, targets, np.array([len(targets)]), self._state, self._ranks, self._meter
        )
        ends = np.cumsum([len(line.text.token_ids) + 1 for line in window]).tolist()
        return [
            _sentence_score(line, found, slice(start, end), 0)
            for line, start, end in zip(window, [0, *ends], ends, strict=False)
        ]


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
    ranks: bool,
    meter: Meter | None = None,
) -> tuple[Scores, Any]:
    """Score (T, B) in blocks of steps, so that a very long sentence needs no more memory."""
    parts = []
    for block in blocks_of_time(*inputs.shape):
        there = np.clip(lengths - block.start, 0, block.stop - block.start)
        part, state = language_model.score(inputs[block], targets[block], there, state, ranks=ranks)
        check_log_probs(part.log_probs)
        parts.append(part)
        if meter is not None:
            meter.done(int(there.sum()))
    return Scores(
        np.concatenate([part.log_probs for part in parts]),
        _joined([part.ranks for part in parts]),
        ngram_lengths=_joined([part.ngram_lengths for part in parts]),
        ngram_terms=_joined([part.ngram_terms for part in parts], axis=1),
    ), state


def _joined(parts: Sequence[NDArray[Any] | None], axis: int = 0) -> NDArray[Any] | None:
    """Concatenate arrays; None if all are None."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there, axis) if there else None


def _sentence_score(line: _Line, found: Scores, there: slice, column: int) -> SentenceScore:
    return SentenceScore(
        line.text.words,
        [*line.text.token_ids, SENTENCE_END_ID],
        found.log_probs[there, column],
        None if found.ranks is None else found.ranks[there, column],
        line.text.characters + 1,
        line.number,
        None if found.ngram_lengths is None else found.ngram_lengths[there, column],
        None if found.ngram_terms is None else found.ngram_terms[:, there, column],
    )
