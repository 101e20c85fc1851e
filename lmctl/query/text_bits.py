"""Bits and characters of a text under a model, summed up piece by piece.

If the time was over before the end of the text, two models can be compared on the part that both have scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmctl.corpus.batches import spread_order
from lmctl.deadline import NEVER, paced
from lmctl.errors import DataError
from lmctl.progress import Meter
from lmctl.query.gap_scoring import FEWEST_TIMED_GAPS, SAMPLED_WORDS, GapScore, sampled_gaps, score_gaps
from lmctl.query.metrics import Tally
from lmctl.query.pseudo_metrics import PseudoTally
from lmctl.query.scoring import score_batches
from lmctl.text.reading import read_lines
from lmctl.text.sources import size_of_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from lmctl.arrays import Float64Array
    from lmctl.deadline import Deadline
    from lmctl.families.gap_model import GapModel
    from lmctl.query.text_model import TextModel

# Characters of the lines that are scored together, and the fewest if the time is limited. So many are scored even
# if the time is over, about 1,000 words.
WINDOW_CHARACTERS, FEWEST_TIMED_CHARACTERS = 1 << 18, 5_000


@dataclass(frozen=True, slots=True)
class TextBits:
    """Bits of a text under a model, summed up to the end of each unit: a line, or a hidden word.

    Attributes:
        places: where each unit ends, rising. The same place means the same part of the text for every model.
        bits: bits of all tokens to there, and of the spelling of OOVs, (units,).
        characters: number of their characters, 1 or more, (units,).
        is_cut: whether the time was over before the end of the text.
    """

    places: Float64Array
    bits: Float64Array
    characters: Float64Array
    is_cut: bool

    @property
    def end(self) -> float:
        """The place of the last unit."""
        return float(self.places[-1])

    def per_character(self, end: float | None = None) -> float:
        """Bits per character of the text to a place that was scored, or of all that was scored."""
        last = self._last(end)
        return float(self.bits[last] / self.characters[last])

    def characters_to(self, end: float | None = None) -> int:
        """Number of characters to a place that was scored, or of all that was scored."""
        return int(self.characters[self._last(end)])

    def _last(self, end: float | None) -> int:
        """The last unit to a place; the first one if none ends there."""
        units = len(self.places) if end is None else int(np.searchsorted(self.places, end, side="right"))
        return max(units, 1) - 1


def bits_of_lines(
    model: TextModel,
    path: Path,
    *,
    state: Literal["reset", "carry"],
    blank_lines: Literal["drop", "keep"],
    threads: int = 0,
    deadline: Deadline = NEVER,
    end: float | None = None,
) -> TextBits | None:
    """Score the lines of a text with a model that predicts the next word.

    Args:
        model: the model.
        path: a file in UTF-8, a sentence a line.
        state: "reset": every line starts from the initial state; "carry": from the state after the line before.
        blank_lines: whether a line without words is left out or is a sentence.
        threads: largest number of batches that are scored at once; 0: the number of cores.
        deadline: whole lines are scored until then, and at least `FEWEST_TIMED_CHARACTERS`.
        end: the place after which nothing is scored; None: the end of the text.

    Returns:
        The bits; None if stop words were removed.

    Raises:
        DataError: the text has no sentences, or the file is not text.
    """
    if model.bundle.record.recipe.stop_words:
        return None
    meter = Meter(f"scoring {path.name}", size_of_text(str(path)))

    def counted(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            meter.units_read += len(line.encode("utf-8", "ignore")) + 1
            yield line

    tally, found = Tally(model.characters), []
    lines = read_lines(str(path))
    wanted = lines if end is None else islice(lines, int(end))
    pieces = paced(wanted, _size_of_line, deadline, FEWEST_TIMED_CHARACTERS, WINDOW_CHARACTERS)
    for scores in score_batches(
        model, map(counted, pieces), state=state, blank_lines=blank_lines, threads=threads, meter=meter
    ):
        for score in scores:
            tally.add(score)
            found.append((score.line, tally.bits, tally.characters))
    if not found:
        raise DataError(f"{path}: nothing to score; expected text, a sentence a line")
    return _text_bits(found, is_cut=next(lines, None) is not None)


def bits_of_gaps(
    model: TextModel,
    gap_model: GapModel,
    path: Path,
    *,
    threads: int = 0,
    deadline: Deadline = NEVER,
    end: float | None = None,
) -> TextBits | None:
    """Score words that are spread evenly over a text, each given all others of its line.

    Models with the same segmentation score the same words. They are scored in an order whose beginning is spread
    over the text, too.

    Args:
        model: the model.
        gap_model: its runtime.
        path: as in `bits_of_lines`.
        threads: as in `bits_of_lines`.
        deadline: words are scored until then, and at least `FEWEST_TIMED_GAPS`.
        end: as in `bits_of_lines`.

    Returns:
        As `bits_of_lines`.

    Raises:
        DataError: the text has no words.
    """
    if model.bundle.record.recipe.stop_words:
        return None
    texts = [model.encode(line) for line in read_lines(str(path))]
    sentences = [text.token_ids for text in texts]
    sampled = sampled_gaps(sentences, SAMPLED_WORDS)
    if not sampled:
        raise DataError(f"{path}: nothing to score; expected text, a sentence a line")
    meter = Meter(f"scoring hidden words of {path.name}", len(sampled))
    meter.units_read = meter.tokens_read = len(sampled)
    tally, found = PseudoTally(model.characters, length_of=model.length_of), []
    in_order = [sampled[place] for place in spread_order(len(sampled))]
    if end is not None:
        in_order = in_order[: math.ceil(end * len(sampled))]
    for gaps in paced(in_order, lambda _: 1, deadline, FEWEST_TIMED_GAPS, len(sampled)):
        log_probs = score_gaps(gap_model, sentences, gaps, threads=threads, meter=meter).log_probs
        for place, gap in enumerate(gaps):
            text = texts[gap.sentence]
            word, token_id = text.words[gap.word], text.token_ids[gap.word]
            tally.add(GapScore([word], [token_id], log_probs[place : place + 1], None))
            # The first word may be a piece without characters of its own.
            found.append((tally.words / len(sampled), tally.bits, max(tally.characters, 1)))
    return _text_bits(found, is_cut=len(found) < len(sampled))


def _size_of_line(line: str) -> int:
    return len(line) + 1


def _text_bits(units: Sequence[tuple[float, float, int]], *, is_cut: bool) -> TextBits:
    places, bits, characters = np.array(units, dtype=np.float64).T
    return TextBits(places, bits, characters, is_cut)
