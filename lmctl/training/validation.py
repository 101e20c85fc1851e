"""Validation: how good a network is on text that it is not trained on."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

from lmctl.corpus.batches import carried_segments, sentence_segments
from lmctl.training.events import ValidationTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lmctl.config import Config
    from lmctl.corpus.batches import Segment
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.steps import Steps

# Segments of the validation text that are timed to know what all of it takes.
TIMED_SEGMENTS = 10


class Validation:
    """Scores the validation text of a corpus with the network in training.

    Args:
        corpus: whose validation text; there may be none.
        config: validation.state, training.batch_size, training.num_steps.
        steps: of the network.
        clock: seconds, to time them with.

    Attributes:
        tokens: how many of the text are scored; all of them, unless `keep_to` was called.
    """

    def __init__(
        self,
        corpus: PreparedCorpus,
        config: Config,
        steps: Steps,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._corpus = corpus
        self._config = config
        self._steps = steps
        self._clock = clock
        self._part: int | None = None
        self.tokens = len(corpus.valid)

    def keep_to(self, tokens: int) -> None:
        """Score a part of the text from now on.

        The part comes from all over the text: the beginning of every column if the state is carried, or else every
        n-th batch of sentences.

        Args:
            tokens: how many the part has at least; the segment that reaches them is scored to its end.
        """
        self._part = tokens
        self.tokens = sum(segment.tokens for segment in self._segments())

    def terms(self) -> ValidationTerms | None:
        """What its perplexity must be stated with; None if there is no validation text."""
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._steps.scores_oov)

    def cross_entropy(self) -> float | None:
        """Nats per token of the text, or of the part that is scored; None if there is no text."""
        if not len(self._corpus.valid):
            return None
        nats, tokens = self._score(self._segments())
        return nats / max(tokens, 1)

    def seconds(self) -> float:
        """How long a validation takes, judged by a few segments; 0 if there is no text."""
        if not len(self._corpus.valid):
            return 0.0
        training = self._config.training
        full_segments = self.tokens // (training.batch_size * training.num_steps)
        # From all over the text: sentences side by side come sorted by length.
        some = list(islice(self._segments(), 0, None, max(1, full_segments // TIMED_SEGMENTS)))
        self._score(some)  # compiles
        began = self._clock()
        self._score(some)
        seconds = self._clock() - began
        return seconds * self.tokens / sum(segment.tokens for segment in some)

    def _score(self, segments: Iterable[Segment]) -> tuple[float, int]:
        """Summed cross-entropy in nats, and of how many tokens."""
        total_nats, tokens, state, columns = 0.0, 0, None, 0
        for segment in segments:
            if len(segment.lengths) != columns:
                columns = len(segment.lengths)
                state = self._steps.null_state(columns)
            nats, scored, state = self._steps.validate(segment, state)
            total_nats += nats
            tokens += scored
        return total_nats, tokens

    def _segments(self) -> Iterator[Segment]:
        carries = self._config.validation.state == "carry"
        read = carried_segments if carries else sentence_segments
        training, valid = self._config.training, self._corpus.valid
        segments = read(valid, batch_size=training.batch_size, num_steps=training.num_steps)
        if self._part is None:
            return segments
        if carries:
            return _until(segments, self._part)
        # Sentences come sorted by length, so the first ones would all be short.
        return islice(segments, 0, None, max(1, len(valid) // max(self._part, 1)))


def _until(segments: Iterator[Segment], tokens: int) -> Iterator[Segment]:
    """The first segments, until they have so many tokens."""
    read = 0
    for segment in segments:
        yield segment
        read += segment.tokens
        if read >= tokens:
            return
