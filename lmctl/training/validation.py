"""Validation: the cross-entropy of a network on text that it is not trained on."""

from __future__ import annotations

import logging
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

logger = logging.getLogger(__name__)

# Number of segments that are timed to estimate the time for the whole validation text.
TIMED_SEGMENTS = 10


class Validation:
    """Scores the validation text of a corpus with the network in training.

    Args:
        corpus: the prepared corpus; its validation text may be empty.
        config: the keys validation.state, training.batch_size and training.num_steps are used.
        steps: compiled steps of the network.
        clock: a clock, in seconds.

    Attributes:
        part: number of tokens that `keep_to` was called with; None: the whole text is scored.
        tokens: number of tokens that are scored.
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
        self.part: int | None = None
        self.tokens = len(corpus.valid)

    def keep_to(self, tokens: int) -> None:
        """Score only a part of the text from now on.

        The part is spread over the text. If the state is carried, it is the beginning of every column, else every
        n-th batch of sentences.

        Args:
            tokens: smallest number of tokens of the part; the last segment is scored to its end.
        """
        self.part = tokens
        self.tokens = sum(segment.tokens for segment in self._segments())

    def terms(self) -> ValidationTerms | None:
        """Return the conditions of the validation perplexity; None if there is no validation text."""
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._steps.scores_oov)

    def cross_entropy(self) -> float | None:
        """Return nats per token of the text, or of the part that is scored; None if there is no text."""
        if not len(self._corpus.valid):
            return None
        nats, tokens = self._score(self._segments())
        return nats / max(tokens, 1)

    def seconds(self) -> float:
        """Estimate the seconds of a validation from a few segments; 0 if there is no text."""
        if not len(self._corpus.valid):
            return 0.0
        training = self._config.training
        full_segments = self.tokens // (training.batch_size * training.num_steps)
        # The segments are spread over the text, because batches of sentences are sorted by length.
        some = list(islice(self._segments(), 0, None, max(1, full_segments // TIMED_SEGMENTS)))
        self._score(some)  # TensorFlow compiles here.
        began = self._clock()
        self._score(some)
        seconds = self._clock() - began
        return seconds * self.tokens / sum(segment.tokens for segment in some)

    def fit_to(self, most_seconds: float) -> float:
        """Score a part of the text from now on if a validation would take longer than this.

        Returns:
            Estimate of the seconds of a validation.
        """
        seconds, whole = self.seconds(), self.tokens
        if seconds <= most_seconds:
            return seconds
        self.keep_to(max(1, int(whole * most_seconds / seconds)))
        if self.tokens == whole:
            # Every second batch would be fewer tokens than allowed.
            return seconds
        logger.warning(
            "training.time_limit leaves no time to score all of the validation text in training: %s of its %s "
            "tokens are scored",
            f"{self.tokens:,}",
            f"{whole:,}",
        )
        return seconds * self.tokens / whole

    def _score(self, segments: Iterable[Segment]) -> tuple[float, int]:
        """Return the summed cross-entropy in nats, and the number of tokens."""
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
        if self.part is None:
            return segments
        if carries:
            return _until(segments, self.part)
        # Batches are sorted by length, so the first ones have only short sentences.
        return islice(segments, 0, None, max(1, len(valid) // max(self.part, 1)))


def _until(segments: Iterator[Segment], tokens: int) -> Iterator[Segment]:
    """Yield the first segments until they have this number of tokens."""
    read = 0
    for segment in segments:
        yield segment
        read += segment.tokens
        if read >= tokens:
            return
