"""Evaluates a model on a text file: by the next word, or by hiding each word in turn."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from msgspec.structs import replace

from lmctl.errors import DataError
from lmctl.progress import Meter
from lmctl.query.bootstrap import check_units, perplexity_interval
from lmctl.query.gap_scoring import GapScore, score_lines
from lmctl.query.metrics import Figures, Tally
from lmctl.query.pseudo_metrics import PseudoFigures, PseudoTally
from lmctl.query.scoring import score_batches
from lmctl.text.addresses import file_name
from lmctl.text.reading import LineStream, read_lines
from lmctl.text.sources import STDIN, size_of_text, source_name
from lmctl.text.tokenization import is_tagged, tags_matter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmctl.families.gap_model import GapModel
    from lmctl.query.bootstrap import Resampling
    from lmctl.query.sentence_scores import SentenceScore, WindowScores
    from lmctl.query.text_model import TextModel
    from lmctl.text.formats import TextFormat
    from lmctl.text.source_chunks import LongLines

logger = logging.getLogger(__name__)

Scores = TypeVar("Scores")


def evaluate_file(
    model: TextModel,
    path: str,
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    accuracy_at: Sequence[int] = (),
    encoding: str = "utf-8",
    errors: str = "strict",
    text_format: TextFormat | None = None,
    top_answers: bool = False,
    threads: int = 0,
    interval: Resampling | None = None,
    on_sentence: Callable[[SentenceScore], object] | None = None,
    on_pause: Callable[[], object] | None = None,
) -> Figures:
    """Score a text with one sentence a line, and return its figures.

    Args:
        model: the model.
        path: a file, an address, or "-" for standard input.
        state: "reset": every line starts from the initial state; "carry": from the state after the line before.
        blank_lines: whether a line without words is left out or is a sentence; None: as in training.
        accuracy_at: the values of k for accuracy@k; empty: no ranks are computed.
        encoding: encoding of the text.
        errors: "strict", "replace" or "skip": what happens to invalid bytes.
        text_format: where the text of the file stands; None: each line is a line of text.
        top_answers: whether `on_sentence` needs the most probable token in place of each token.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        interval: how the interval of the perplexity is computed; None: it is not.
        on_sentence: called with the score of every sentence, in order; None: no sentence is looked at.
        on_pause: called after all lines that have arrived on standard input are scored. None: lines are scored in
            larger batches, which is faster.

    Raises:
        DataError: the text has no sentences, or one and an interval is asked for, or the file is not text.
    """
    tally = new_tally(model, accuracy_at)
    sums: list[tuple[float, int]] = []

    def score(batches: Iterable[Iterable[str]], meter: Meter) -> Iterator[WindowScores]:
        return score_batches(
            model,
            batches,
            state=state,
            blank_lines=blank_lines,
            ranks=bool(accuracy_at),
            top_answers=top_answers,
            threads=threads,
            meter=meter,
        )

    for scores in _scored(model, path, score, _Reading(encoding, errors, text_format), on_pause):
        tally.add_window(scores)
        if interval is not None:
            sums.extend((-each.total_log_prob, len(each.token_ids)) for each in scores)
        if on_sentence is not None:
            for each in scores:
                on_sentence(each)
    figures = figures_of(tally, model, path, state)
    if interval is None:
        return figures
    check_units(len(sums), source_name(path), "line")
    return replace(figures, interval=perplexity_interval(np.array(sums, dtype=np.float64), interval))


def new_tally(model: TextModel, accuracy_at: Sequence[int] = ()) -> Tally:
    """A tally for the figures of a text. If a model leaves out stop words, there are no bits per character."""
    return Tally(None if model.bundle.record.recipe.stop_words else model.characters, accuracy_at)


def figures_of(tally: Tally, model: TextModel, path: str, state: Literal["reset", "carry"]) -> Figures:
    """The figures of a text, all of whose sentences have been added.

    Raises:
        DataError: the text has no sentences.
    """
    if not tally.sentences:
        raise DataError(f"{source_name(path)}: nothing to score; expected text, a sentence a line")
    return tally.figures(len(model.vocabulary), state, model.cache, model.dynamic_rate)


def evaluate_gaps(
    model: TextModel,
    gap_model: GapModel,
    path: str,
    *,
    accuracy_at: Sequence[int] = (),
    encoding: str = "utf-8",
    errors: str = "strict",
    text_format: TextFormat | None = None,
    top_answers: bool = False,
    threads: int = 0,
    on_sentence: Callable[[GapScore], object] = lambda _score: None,
    on_pause: Callable[[], object] | None = None,
) -> PseudoFigures:
    """Score each word of a text given all others of its line, and return the figures of the text.

    Args:
        model: the model.
        gap_model: its runtime.
        path: a file, or "-" for standard input.
        accuracy_at: as in `evaluate_file`, and so are the other arguments.
        encoding: encoding of the text.
        errors: what happens to invalid bytes.
        text_format: where the text of the file stands.
        top_answers: whether `on_sentence` needs the most probable token in place of each word.
        threads: largest number of batches that are scored at once.
        on_sentence: called with the score of every sentence that has words, in order.
        on_pause: called after all lines that have arrived are scored.

    Raises:
        DataError: the text has no words, or the file is not text.
    """
    spelling = None if model.bundle.record.recipe.stop_words else model.characters
    tally = PseudoTally(spelling, accuracy_at, model.length_of)

    def score(batches: Iterable[Iterable[str]], meter: Meter) -> Iterator[list[GapScore]]:
        return score_lines(
            model,
            gap_model,
            batches,
            ranks=bool(accuracy_at),
            top_answers=top_answers,
            threads=threads,
            meter=meter,
        )

    for scores in _scored(model, path, score, _Reading(encoding, errors, text_format), on_pause):
        for each in scores:
            tally.add(each)
            on_sentence(each)
    if not tally.words:
        raise DataError(f"{source_name(path)}: nothing to score; expected text, a sentence a line")
    return tally.figures(len(model.vocabulary))


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a text is read; see `evaluate_file`."""

    encoding: str
    errors: str
    text_format: TextFormat | None


def _scored(
    model: TextModel,
    path: str,
    score: Callable[[Iterable[Iterable[str]], Meter], Iterator[Scores]],
    reading: _Reading,
    on_pause: Callable[[], object] | None,
) -> Iterator[Scores]:
    """Read the lines of a text, yield their scores, and warn at its end of `<s>` that are read as words."""
    encoding, errors, text_format = reading.encoding, reading.errors, reading.text_format
    # Of records, the bytes of the file are not those of its text.
    size = None if path == STDIN or (text_format and text_format.has_records) else size_of_text(path)
    meter = Meter("scoring" if path == STDIN else f"scoring {file_name(path)}", size)
    tags = _LineCounter(meter, encoding)
    # With on_pause, each line gets one answer. The score of a part of a long line would be a wrong answer.
    long_lines: LongLines = "cut" if on_pause is None else "refuse"
    batches: Iterable[Iterable[str]] = [
        read_lines(path, encoding=encoding, errors=errors, long_lines=long_lines, text_format=text_format)
    ]
    if path == STDIN and on_pause is not None:
        batches = LineStream(0, "standard input", encoding, errors, long_lines=long_lines, text_format=text_format)
    for scores in score(map(tags.counted, batches), meter):
        yield scores
        if on_pause is not None:
            on_pause()
    warn_of_tags(model, path, tags.tagged, tags.lines)


def warn_of_tags(model: TextModel, path: str, tagged: int, lines: int) -> None:
    """Log a warning if a text has so many lines between `<s>` and `</s>` that the tags mark sentences."""
    if model.bundle.record.recipe.sentence_tags == "keep" and tags_matter(tagged, lines):
        logger.warning(
            "%s: %d of %d lines stand between <s> and </s>, which this model reads as unknown words; to leave "
            "them out, train with text.sentence_tags: strip",
            source_name(path),
            tagged,
            lines,
        )


class _LineCounter:
    """Counts lines, lines between `<s>` and `</s>`, and bytes while the lines are read."""

    def __init__(self, meter: Meter, encoding: str) -> None:
        self.lines = self.tagged = 0
        self._meter = meter
        self._encoding = encoding

    def counted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self.lines += 1
            self.tagged += is_tagged(line)
            self._meter.units_read += self._size_of(line) + 1
            yield line

    def _size_of(self, line: str) -> int:
        # Python knows whether a line is ASCII. Encoding the line takes longer.
        if line.isascii() and self._encoding == "utf-8":
            return len(line)
        return len(line.encode(self._encoding, "ignore"))
