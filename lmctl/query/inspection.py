"""Looks closely at the scores of a text, in one pass: frequency bands, calibration, examples and a sample.

The scores are those of a model of the next word, or those of a model that fills gaps: then each word was hidden in
turn, and read with the words on both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END, UNKNOWN_ID
from lmctl.query.calibration import CalibrationTally
from lmctl.query.examples import ExampleFinder
from lmctl.query.frequency_bands import BandTally
from lmctl.query.metrics import surprisal_bits
from lmctl.text.detokenization import Detokenizer

if TYPE_CHECKING:
    from lmctl.query.calibration import Calibration
    from lmctl.query.examples import Example, Score
    from lmctl.query.frequency_bands import Band
    from lmctl.query.text_model import TextModel

# Size of the sample in tokens, and number of examples of each kind.
SAMPLE_TOKENS = 240
EXAMPLES = 12


@dataclass(frozen=True, slots=True)
class SampledWord:
    """A token of the sample.

    Attributes:
        text: the token as people write it, after a space if one stands before it; `</s>` for the end of a line.
        bits: its surprisal; infinite if its probability is 0.
        oov: whether it is out of vocabulary, so that the surprisal is that of `<unk>`.
        ends_line: whether it is the end of a line, which models that fill gaps do not score.
        line: number of its line in the text, from 1.
    """

    text: str
    bits: float
    oov: bool
    ends_line: bool
    line: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of an inspection.

    Attributes:
        tokens: number of tokens that were scored.
        bands: bands of words by their frequency in the training text; None if their counts are not known.
        calibration: calibration of the top answer; None if top answers were not computed.
        best: words that gain most over their frequency, or that are most probable if counts are not known.
        worst: words with the highest surprisal.
        sample: the first tokens of the text.
        of_gaps: whether each word was hidden in turn, and the words on both sides of it were known; else only the
            words before it were.
    """

    tokens: int
    bands: list[Band] | None
    calibration: Calibration | None
    best: list[Example]
    worst: list[Example]
    sample: list[SampledWord]
    of_gaps: bool


class Inspector:
    """Collects an inspection, sentence by sentence.

    Args:
        model: the model whose scores are added.
    """

    def __init__(self, model: TextModel) -> None:
        counts = model.vocabulary.counts
        self._bands = BandTally(counts) if any(counts) else None
        self._calibration = CalibrationTally()
        self._examples = ExampleFinder(model)
        self._detokenizer = Detokenizer(model.bundle.record.recipe.segmenter.name)
        self._sample: list[SampledWord] = []
        self._tokens = 0
        self._of_gaps = model.gap_model is not None

    def add(self, score: Score) -> None:
        """Add the score of the next sentence."""
        token_ids = np.array(score.token_ids)
        self._tokens += len(token_ids)
        if self._bands is not None:
            self._bands.add(token_ids, score.log_probs)
        if score.top_ids is not None and score.top_log_probs is not None:
            self._calibration.add(np.exp(score.top_log_probs), score.top_ids == token_ids)
        self._examples.add(score)
        self._add_to_sample(score)

    def result(self) -> Inspection:
        """Return the inspection of all sentences so far."""
        return Inspection(
            tokens=self._tokens,
            bands=None if self._bands is None else self._bands.bands(),
            calibration=self._calibration.calibration(),
            best=self._examples.best(EXAMPLES),
            worst=self._examples.worst(EXAMPLES),
            sample=self._sample,
            of_gaps=self._of_gaps,
        )

    def _add_to_sample(self, score: Score) -> None:
        """Add the tokens of a sentence to the sample, as far as it has room."""
        room = SAMPLE_TOKENS - len(self._sample)
        if room <= 0 or not score.words:
            return
        self._detokenizer.start_line()
        # A model that fills gaps has no score of `</s>`, so it falls away below.
        texts = [*map(self._detokenizer.append, score.words[:room]), SENTENCE_END][:room]
        self._sample += [
            SampledWord(
                text=text,
                bits=surprisal_bits(float(log_prob)),
                oov=token_id == UNKNOWN_ID,
                ends_line=place == len(score.words),
                line=score.line,
            )
            for place, (text, token_id, log_prob) in enumerate(
                zip(texts, score.token_ids, score.log_probs, strict=False)
            )
        ]
