"""Evaluates a model on a text file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lmctl.errors import DataError
from lmctl.progress import Meter
from lmctl.query.metrics import Figures, Tally
from lmctl.query.scoring import score_batches
from lmctl.text.reading import LineStream, read_lines
from lmctl.text.sources import STDIN, size_of_text
from lmctl.text.tokenization import is_tagged, tags_matter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lmctl.query.scoring import SentenceScore
    from lmctl.query.text_model import TextModel
    from lmctl.text.source_chunks import LongLines

logger = logging.getLogger(__name__)


def evaluate_file(
    model: TextModel,
    path: str,
    *,
    state: Literal["reset", "carry"] = "reset",
    blank_lines: Literal["drop", "keep"] | None = None,
    accuracy_at: Sequence[int] = (),
    encoding: str = "utf-8",
    errors: str = "strict",
    threads: int = 0,
    on_sentence: Callable[[SentenceScore], object] = lambda _score: None,
    on_pause: Callable[[], object] | None = None,
) -> Figures:
    """Score a text with one sentence a line, and return its figures.

    Args:
        model: the model.
        path: a file, or "-" for standard input.
        state: "reset": every line starts from the initial state; "carry": from the state after the line before.
        blank_lines: whether a line without words is left out or is a sentence; None: as in training.
        accuracy_at: the values of k for accuracy@k; empty: no ranks are computed.
        encoding: encoding of the text.
        errors: "strict", "replace" or "skip": what happens to invalid bytes.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        on_sentence: called with the score of every sentence, in order.
        on_pause: called after all lines that have arrived on standard input are scored. None: lines are scored in
            larger batches, which is faster.

    Raises:
        DataError: the text has no sentences, or the file is not text.
    """
    tally = Tally(None if model.bundle.record.recipe.stop_words else model.characters, accuracy_at)
    meter = Meter(f"scoring {Path(path).name}", size_of_text(path)) if path != STDIN else Meter("scoring", None)
    tags = _LineCounter(meter, encoding)
    # With on_pause, each line gets one answer. The score of a part of a long line would be a wrong answer.
    long_lines: LongLines = "cut" if on_pause is None else "refuse"
    batches: Iterable[Iterable[str]] = [read_lines(path, encoding=encoding, errors=errors, long_lines=long_lines)]
    if path == STDIN and on_pause is not None:
        batches = LineStream(0, "standard input", encoding, errors, long_lines=long_lines)
    for scores in score_batches(
        model,
        map(tags.counted, batches),
        state=state,
        blank_lines=blank_lines,
        ranks=bool(accuracy_at),
        threads=threads,
        meter=meter,
    ):
        for score in scores:
            tally.add(score)
            on_sentence(score)
        if on_pause is not None:
            on_pause()
    name = "standard input" if path == STDIN else path
    if model.bundle.record.recipe.sentence_tags == "keep" and tags_matter(tags.tagged, tags.lines):
        logger.warning(
            "%s: %d of %d lines stand between <s> and </s>, which this model reads as unknown words; to leave "
            "them out, train with text.sentence_tags: strip",
            name,
            tags.tagged,
            tags.lines,
        )
    if not tally.sentences:
        raise DataError(f"{name}: nothing to score; expected text, a sentence a line")
    return tally.figures(len(model.vocabulary), state, model.cache)


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
            self._meter.units_read += len(line.encode(self._encoding, "ignore")) + 1
            yield line
