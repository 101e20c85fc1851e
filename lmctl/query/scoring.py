"""Scores text: log probabilities of its words and sentence ends."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.deadline import NEVER, paced
from lmctl.progress import Meter
from lmctl.query.sentence_scores import EncodedLine
from lmctl.query.text_model import EncodedText
from lmctl.query.window_scoring import WINDOW_TOKENS, Wanted, scorer, windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.deadline import Deadline
    from lmctl.families.base import LanguageModel
    from lmctl.query.sentence_scores import SentenceScore, WindowScores
    from lmctl.query.text_model import TextModel

# Fewest tokens that are scored at once if the time is limited; so many are scored even if it is over.
FEWEST_TIMED_TOKENS = 512


def score_sentences(
    model: TextModel,
    lines: Iterable[str],
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    ranks: bool = False,
    top_answers: bool = False,
    threads: int = 0,
) -> Iterator[SentenceScore]:
    """Score a text with one sentence a line, in order; see `score_batches`.

    Args:
        model: the model.
        lines: the lines of the text, which are read on demand.
        state: "reset": every sentence starts from the initial state; "carry": from the state after the one before.
        blank_lines: whether a line without words is left out or is a sentence (only `</s>`); None: as in training.
        ranks: whether to compute the rank of each token.
        top_answers: whether to compute the most probable token in place of each token.
        threads: largest number of batches that are scored at once; 0: the number of cores.
    """
    for scores in score_batches(
        model,
        [lines],
        state=state,
        blank_lines=blank_lines,
        ranks=ranks,
        top_answers=top_answers,
        threads=threads,
    ):
        yield from scores


def score_batches(
    model: TextModel,
    batches: Iterable[Iterable[str]],
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    ranks: bool = False,
    top_answers: bool = False,
    threads: int = 0,
    meter: Meter | None = None,
) -> Iterator[WindowScores]:
    """Score a text whose lines come in batches. A batch is scored before the next one is read.

    Args:
        model: the model.
        batches: the lines of the text.
        state: "reset": every sentence starts from the initial state; "carry": from the state after the one before.
        blank_lines: whether a line without words is left out or is a sentence (only `</s>`); None: as in training.
        ranks: whether to compute the rank of each token.
        top_answers: as in `score_sentences`.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        meter: counts the tokens that are read and scored.

    Yields:
        Scores of the next sentences, in order.
    """
    keep = (blank_lines or model.bundle.record.recipe.blank_lines) == "keep"
    meter = meter or Meter("scoring", None)
    number = itertools.count(1)

    def encoded(lines: Iterable[str]) -> Iterator[EncodedLine]:
        for line in lines:
            found = EncodedLine(next(number), model.encode(line))
            meter.tokens_read += len(found.text.token_ids) + 1
            if found.text.words or keep:
                yield found

    yield from score_encoded(
        model.language_model,
        map(encoded, batches),
        state=state,
        ranks=ranks,
        top_answers=top_answers,
        threads=threads,
        meter=meter,
    )


def score_encoded(
    language_model: LanguageModel[Any],
    batches: Iterable[Iterable[EncodedLine]],
    *,
    state: Literal["reset", "carry"],
    ranks: bool = False,
    entropies: bool = False,
    top_answers: bool = False,
    threads: int = 0,
    meter: Meter | None = None,
) -> Iterator[WindowScores]:
    """Score sentences that are encoded already; see `score_batches`.

    Args:
        language_model: the language model.
        batches: the sentences.
        state: as in `score_batches`.
        ranks: as in `score_batches`.
        entropies: whether to compute the entropy of the distribution that predicts each token.
        top_answers: as in `score_batches`.
        threads: as in `score_batches`.
        meter: as in `score_batches`.
    """
    meter = meter or Meter("scoring", None)
    score_window = scorer(language_model, state, Wanted(ranks, entropies, top_answers), threads, meter)
    for batch in batches:
        for window in windows(batch):
            yield score_window(window)


def token_log_probs(
    language_model: LanguageModel[Any],
    token_ids: IntArray,
    *,
    state: Literal["reset", "carry"],
    threads: int = 0,
    deadline: Deadline = NEVER,
) -> Float64Array:
    """Return the natural log probability of every token of a text, (N,), or of its beginning if the time is over.

    Args:
        language_model: the language model.
        token_ids: sentences that each end with `</s>`, (N,).
        state: as in `score_sentences`.
        threads: as in `score_sentences`.
        deadline: whole sentences are scored until then, and at least `FEWEST_TIMED_TOKENS` tokens.
    """
    meter = Meter("scoring", len(token_ids))
    score_window = scorer(language_model, state, Wanted(), threads, meter)
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID)
    sentences = (
        EncodedLine(number, EncodedText([], part[:-1].tolist(), 0))
        for number, part in enumerate(np.split(token_ids, ends + 1)[:-1], start=1)
    )
    meter.units_read = meter.tokens_read = len(token_ids)
    pieces = paced(
        sentences, lambda line: len(line.text.token_ids) + 1, deadline, FEWEST_TIMED_TOKENS, WINDOW_TOKENS
    )
    found = [score_window(piece).tokens.log_probs for piece in pieces]
    return np.concatenate([np.zeros(0), *found])
