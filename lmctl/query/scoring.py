"""How probable a text is: log probabilities of its words and sentence ends."""

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

# A window of text is read before it is scored, so that sentences of like length stand side by side; memory is
# a window's, however long the text.
WINDOW_TOKENS = 1 << 15


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """The log probabilities of one sentence.

    Attributes:
        words: the words as they stand in the text, after segmentation.
        token_ids: of the words, `<unk>`'s where one is out of vocabulary; then `</s>`.
        log_probs: natural logs, one for each token id.
        ranks: place of each token in the whole distribution, from 1, ties counted against it; or None.
        characters: code points of the normalised line, plus one for its end.
        line: number of its line in the text, from 1; blank lines that are left out count.
        ngram_lengths: words of the n-gram that gave each probability, the token among them; None: no n-gram did.
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
        """How many of the words are out of vocabulary."""
        return self.token_ids.count(UNKNOWN_ID)

    @property
    def total_log_prob(self) -> float:
        """Natural log probability of the sentence, its end included."""
        return float(self.log_probs.sum())


class _Line(NamedTuple):
    """A line of a text, read."""

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
    """Score a text, a sentence a line, in order; see `score_batches`.

    Args:
        model: whose probabilities.
        lines: the text; read as it is needed.
        state: "reset": every sentence from the initial state; "carry": each continues where the last one ended.
        blank_lines: whether a line without words is a sentence (a lone `</s>`); by default as in training.
        ranks: also find each token's rank.
        threads: how many batches of sentences are scored at once, at most; 0: as many as there are cores.
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
    """Score a text whose lines come in batches: a batch is answered before the next one is waited for.

    Args:
        model: whose probabilities.
        batches: the lines of the text.
        state: "reset": every sentence from the initial state; "carry": each continues where the last one ended.
        blank_lines: whether a line without words is a sentence (a lone `</s>`); by default as in training.
        ranks: also find each token's rank.
        threads: how many batches of sentences are scored at once, at most; 0: as many as there are cores.
        meter: takes note of the tokens that are read and scored.

    Yields:
        The scores of some sentences, in order.
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
    """Natural log probability of every token of a text, (N,).

    Args:
        language_model: whose probabilities.
        token_ids: sentences that each end with `</s>`, (N,).
        state: as in `score_sentences`, and so `threads`.
        threads: likewise.
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
    """Sentences that are scored together."""
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
    """Scores windows of sentences that stand each for itself."""

    def __init__(self, language_model: LanguageModel[Any], ranks: bool, threads: int, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model
        self._ranks = ranks
        self._threads = min(threads or scoring_threads(), scoring_threads())

    def __call__(self, window: list[_Line]) -> list[SentenceScore]:
        scores: dict[int, SentenceScore] = {}
        batches = list(batches_by_length([len(line.text.token_ids) + 1 for line in window]))
        # NumPy computes outside of Python's lock, and a batch does not depend on another.
        with ThreadPoolExecutor(self._threads) as threads:
            score: Iterable[Scores]
            try:
                score = threads.map(partial(self._score, window), batches)
            except RuntimeError:
                # No thread may be started (ulimit -u, a container's limit of processes).
                score = map(partial(self._score, window), batches)
            for places, found in zip(batches, score, strict=True):
                for column, place in enumerate(places):
                    there = slice(0, len(window[place].text.token_ids) + 1)
                    scores[place] = _sentence_score(window[place], found, there, column)
                self._meter.done(sum(len(window[place].text.token_ids) + 1 for place in places))
        return [scores[place] for place in range(len(window))]

    def _score(self, window: list[_Line], places: list[int]) -> Scores:
        """Sentences side by side, each in a column of its own."""
        lengths = np.array([len(window[place].text.token_ids) + 1 for place in places])
        inputs, targets = _side_by_side([window[place].text.token_ids for place in places], int(lengths.max()))
        state = self._language_model.null_state(len(places))
        return _score_in_blocks(self._language_model, inputs, targets, lengths, state, self._ranks)[0]


def scoring_threads() -> int:
    """How many batches are scored at once: one a core, unless BLAS spreads each of them over the cores already."""
    return len(os.sched_getaffinity(0)) if os.environ.get("OPENBLAS_NUM_THREADS") == "1" else 1


class _Carried:
    """Scores windows of one long text, the state carried through them all."""

    def __init__(self, language_model: LanguageModel[Any], ranks: bool, meter: Meter) -> None:
        self._meter = meter
        self._language_model = language_model
        self._ranks = ranks
        self._state: Any = language_model.null_state(1)

    def __call__(self, window: list[_Line]) -> list[SentenceScore]:
        targets = np.array([token for line in window for token in (*line.text.token_ids, SENTENCE_END_ID)])[
            :, None
        ]
        # Before the first word of every sentence stands `</s>`: its own start, or the end of the one before.
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
    """Inputs and targets, both (T, B): each sentence after `</s>`, and each followed by `</s>`."""
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
    """Score (T, B) a block of time at a time, so that a very long sentence takes no more memory."""
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
    """Arrays one after the other; None if they are not there."""
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
