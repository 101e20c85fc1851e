"""Scores text with a model that fills gaps: the log probability of each word, given all others of its sentence.

Each word is hidden in turn, and the model reads the rest of the sentence on both sides. The sum of the log
probabilities is the pseudo-log-likelihood of the sentence (Salazar et al. 2020, arXiv:1910.14659). It is not the
log of a probability of the sentence. The `</s>` at both ends is read, and not scored.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families.gap_model import GapScores
from lmctl.layers.distributions import check_log_probs
from lmctl.progress import Meter
from lmctl.query.batching import batches_by_length
from lmctl.query.window_scoring import scoring_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.families.gap_model import GapModel
    from lmctl.query.text_model import EncodedText, TextModel

    # The number of a line, and its text.
    _Line = tuple[int, EncodedText]
    _Scorer = Callable[[list[int]], GapScores]

Results = TypeVar("Results", "IntArray", "Float64Array")

# Gaps that are scored together. The texts of a window are in memory once for all their gaps.
WINDOW_GAPS = 1 << 11
# The most words that the figures of a training run and its gate are measured on. A gap costs as much as its whole
# sentence, so all words of a long text would take far longer than training validates.
SAMPLED_WORDS = 1000
# Fewest gaps that are scored at once if the time is limited; so many are scored even if it is over.
FEWEST_TIMED_GAPS = 32


@dataclass(frozen=True, slots=True)
class Gap:
    """One word of a sentence, to be hidden.

    Attributes:
        sentence: index of the sentence.
        word: position of the word in it, from 0.
    """

    sentence: int
    word: int


@dataclass(frozen=True, slots=True)
class GapScore:
    """The log probabilities of the words of one sentence, each given all others.

    Attributes:
        words: the words of the text after segmentation, at least one.
        token_ids: their ids; an OOV has the id of `<unk>`.
        log_probs: natural log probability of each word.
        ranks: rank of each word in its distribution, from 1; a tie gets the worst rank. None: not computed.
        line: number of its line in the text, from 1.
        top_ids: the most probable token in place of each word; of equally probable ones the smallest id. None:
            not computed.
        top_log_probs: natural log probability of each of them. None: not computed.
    """

    words: list[str]
    token_ids: list[int]
    log_probs: Float64Array
    ranks: IntArray | None
    line: int = 1
    top_ids: IntArray | None = None
    top_log_probs: Float64Array | None = None

    @property
    def oov(self) -> int:
        """Number of OOVs."""
        return self.token_ids.count(UNKNOWN_ID)

    @property
    def pseudo_log_likelihood(self) -> float:
        """The sum of the log probabilities, in nats."""
        return float(self.log_probs.sum())


def score_lines(
    model: TextModel,
    gap_model: GapModel,
    batches: Iterable[Iterable[str]],
    *,
    ranks: bool = False,
    top_answers: bool = False,
    threads: int = 0,
    meter: Meter | None = None,
) -> Iterator[list[GapScore]]:
    """Score a text, a sentence a line, whose lines come in batches. A batch is scored before the next one is read.

    Args:
        model: the model, for its vocabulary and tokenizer.
        gap_model: its runtime.
        batches: the lines of the text. A line without words has no score.
        ranks: whether to compute the rank of each word.
        top_answers: whether to compute the most probable token in place of each word.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        meter: counts the words that are read and scored.

    Yields:
        Scores of the next sentences, in order.
    """
    meter = meter or Meter("scoring", None)
    number = itertools.count(1)
    for batch in batches:
        lines = ((next(number), model.encode(line)) for line in batch)
        for window in _windows((place, text) for place, text in lines if text.words):
            sentences = [text.token_ids for _, text in window]
            gaps = [Gap(sentence, word) for sentence, ids in enumerate(sentences) for word in range(len(ids))]
            meter.tokens_read += len(gaps)
            found = score_gaps(
                gap_model, sentences, gaps, ranks=ranks, top_answers=top_answers, threads=threads, meter=meter
            )
            ends = np.cumsum([len(ids) for ids in sentences]).tolist()
            yield [
                _score_of(place, text, found, slice(start, end))
                for (place, text), start, end in zip(window, [0, *ends], ends, strict=False)
            ]


def _score_of(line: int, text: EncodedText, found: GapScores, words: slice) -> GapScore:
    """The score of a sentence, given the results for all words of a window, and the places of its own."""
    return GapScore(
        text.words,
        text.token_ids,
        found.log_probs[words],
        _part(found.ranks, words),
        line,
        _part(found.top_ids, words),
        _part(found.top_log_probs, words),
    )


def _part(results: Results | None, words: slice) -> Results | None:
    return None if results is None else results[words]


def score_gaps(
    gap_model: GapModel,
    sentences: Sequence[Sequence[int]],
    gaps: Sequence[Gap],
    *,
    ranks: bool = False,
    top_answers: bool = False,
    threads: int = 0,
    meter: Meter | None = None,
) -> GapScores:
    """Score the word in each gap.

    Args:
        gap_model: the model.
        sentences: token ids of the words of each sentence, without `</s>`.
        gaps: N gaps, in any order.
        ranks: whether to compute ranks.
        top_answers: whether to compute the most probable token for each gap.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        meter: is told of the gaps that are done.
    """
    needed = sorted({gap.sentence for gap in gaps})
    texts = {place: np.array([SENTENCE_END_ID, *sentences[place], SENTENCE_END_ID]) for place in needed}
    results = GapScores(
        np.zeros(len(gaps), dtype=np.float64),
        np.zeros(len(gaps), dtype=np.int64) if ranks else None,
        np.zeros(len(gaps), dtype=np.int64) if top_answers else None,
        np.zeros(len(gaps), dtype=np.float64) if top_answers else None,
    )
    read = [min(len(texts[gap.sentence]), gap_model.context) for gap in gaps]
    batches = list(batches_by_length(read))

    def score(places: list[int]) -> GapScores:
        some = [gaps[place] for place in places]
        of_batch = [texts[gap.sentence] for gap in some]
        # Position 0 is the `</s>` before the sentence.
        hidden = np.array([gap.word + 1 for gap in some])
        return gap_model.score(of_batch, hidden, ranks=ranks, top_answers=top_answers)

    for places, found in zip(batches, _in_threads(score, batches, threads), strict=True):
        check_log_probs(found.log_probs)
        for whole, part in zip(results, found, strict=True):
            if whole is not None and part is not None:
                whole[places] = part
        if meter is not None:
            meter.done(len(places))
    return results


def sampled_gaps(sentences: Sequence[Sequence[int]], most: int, left_out: int | None = None) -> list[Gap]:
    """Choose words that are spread evenly over a text, always the same.

    Args:
        sentences: token ids of the words of each sentence.
        most: how many words; all if there are fewer.
        left_out: an id that is not chosen; None: every word may be.
    """
    counts = np.cumsum([len(ids) - (0 if left_out is None else list(ids).count(left_out)) for ids in sentences])
    words = int(counts[-1]) if len(counts) else 0
    chosen = min(most, words)
    # The middle of each of `chosen` equal parts.
    places = ((2 * np.arange(chosen) + 1) * words) // (2 * max(chosen, 1))
    gaps = []
    for place in places.tolist():
        sentence = int(np.searchsorted(counts, place, side="right"))
        within = place - (int(counts[sentence - 1]) if sentence else 0)
        candidates = [word for word, token_id in enumerate(sentences[sentence]) if token_id != left_out]
        gaps.append(Gap(sentence, candidates[within]))
    return gaps


def sentences_of(token_ids: IntArray) -> list[list[int]]:
    """The words of each sentence of an id stream in which every sentence ends with `</s>`."""
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID)
    return [part[:-1].tolist() for part in np.split(token_ids, ends + 1)[:-1]]


def _in_threads(score: _Scorer, batches: list[list[int]], threads: int) -> Iterator[GapScores]:
    """The scores of batches, in order, several at once: NumPy releases Python's global lock."""
    with ThreadPoolExecutor(min(threads or scoring_threads(), scoring_threads())) as pool:
        try:
            scored = pool.map(score, batches)
        except RuntimeError:
            # No thread could be started (ulimit -u, or a container's limit of processes).
            scored = map(score, batches)
        yield from scored


def _windows(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Yield windows of lines, each of at least `WINDOW_GAPS` words but the last."""
    window: list[_Line] = []
    words = 0
    for line in lines:
        window.append(line)
        words += len(line[1].words)
        if words >= WINDOW_GAPS:
            yield window
            window, words = [], 0
    if window:
        yield window
