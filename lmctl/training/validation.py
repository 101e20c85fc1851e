"""Validation: the cross-entropy of a network on text that it is not trained on."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.batches import carried_segments, sentence_segments
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.deadline import NEVER
from lmctl.training.events import ValidationTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from lmctl.config import Config
    from lmctl.corpus.batches import Segment
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.training.steps import Steps

logger = logging.getLogger(__name__)

# Number of segments that are timed to estimate the time for the whole validation text.
TIMED_SEGMENTS = 10


@dataclass(frozen=True, slots=True)
class Validated:
    """The result of a validation.

    Attributes:
        nats: summed cross-entropy of each segment that was scored, in nats.
        counted: number of targets that count in each of these segments.
        tokens: number of their tokens.
        is_cut: whether the time was over before the last segment.
    """

    nats: list[float]
    counted: list[int]
    tokens: int
    is_cut: bool

    def nats_per_token(self, segments: int | None = None) -> float:
        """Return the cross-entropy of the first segments, or of all, in nats per token.

        The sum does not depend on the order of the segments.
        """
        return math.fsum(self.nats[:segments]) / max(sum(self.counted[:segments]), 1)


class Validation:
    """Scores the validation text of a corpus with the network in training.

    Args:
        corpus: the prepared corpus; its validation text may be empty.
        config: the keys validation.state, training.batch_size and training.num_steps are used.
        steps: compiled steps of the network.
        clock: a clock, in seconds.
        most_tokens: only the first sentences are scored: the fewest that have this number of tokens. None: all.

    Attributes:
        part: number of tokens that `keep_to` was called with; None: the whole text is scored.
        tokens: number of tokens that are scored.
        spread: whether the first segments, however many, are spread over the text, so that a validation can be cut
            short.
    """

    def __init__(
        self,
        corpus: PreparedCorpus,
        config: Config,
        steps: Steps,
        clock: Callable[[], float] = time.perf_counter,
        most_tokens: int | None = None,
    ) -> None:
        self._corpus = corpus
        self._valid = corpus.valid if most_tokens is None else _first_sentences(corpus.valid, most_tokens)
        self._config = config
        self._steps = steps
        self._clock = clock
        self.part: int | None = None
        self.spread = False
        self.tokens = len(self._valid)

    def keep_to(self, tokens: int) -> None:
        """Score only a part of the text from now on.

        The part is spread over the text. If the state is carried, it is the beginning of every column, else
        batches of sentences of all lengths.

        Args:
            tokens: smallest number of tokens of the part; the last segment is scored to its end.
        """
        self.part, self.spread = tokens, True
        self.tokens = sum(segment.tokens for segment in self._segments())

    def terms(self) -> ValidationTerms | None:
        """Return the conditions of the validation perplexity; None if there is no validation text."""
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._steps.scores_oov)

    def score(self, deadline: Deadline = NEVER) -> Validated | None:
        """Score the text, or its part; None if there is no text.

        Args:
            deadline: no segment is begun that would end later, but at least one is scored.
        """
        if not len(self._corpus.valid):
            return None
        return self._score(self._segments(), deadline)

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
            return seconds
        logger.warning(
            "training.time_limit leaves no time to score all of the validation text in training: %s of its %s "
            "tokens are scored",
            f"{self.tokens:,}",
            f"{whole:,}",
        )
        return seconds * self.tokens / whole

    def _score(self, segments: Iterable[Segment], deadline: Deadline = NEVER) -> Validated:
        nats: list[float] = []
        counted: list[int] = []
        tokens, state, columns, last_seconds = 0, None, 0, 0.0
        for segment in segments:
            began = deadline.clock()
            if counted and began + last_seconds > deadline.end:
                return Validated(nats, counted, tokens, is_cut=True)
            if len(segment.lengths) != columns:
                columns = len(segment.lengths)
                state = self._steps.null_state(columns)
            of_segment, targets, state = self._steps.validate(segment, state)
            nats.append(of_segment)
            counted.append(targets)
            tokens += segment.tokens
            last_seconds = deadline.clock() - began
        return Validated(nats, counted, tokens, is_cut=False)

    def _segments(self) -> Iterator[Segment]:
        training, valid = self._config.training, self._valid
        batch_size, num_steps = training.batch_size, training.num_steps
        if self._config.validation.state == "carry":
            segments = carried_segments(valid, batch_size=batch_size, num_steps=num_steps)
        else:
            segments = sentence_segments(valid, batch_size=batch_size, num_steps=num_steps, spread=self.spread)
        return segments if self.part is None else _until(segments, self.part)


def _first_sentences(token_ids: NDArray[np.unsignedinteger[Any]], tokens: int) -> NDArray[np.unsignedinteger[Any]]:
    """Return the fewest sentences from the beginning that have this number of tokens; all if there are fewer."""
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID) + 1
    last = min(int(np.searchsorted(ends, tokens)), len(ends) - 1)
    return token_ids[: ends[last]] if len(ends) else token_ids


def _until(segments: Iterator[Segment], tokens: int) -> Iterator[Segment]:
    """Yield the first segments until they have this number of tokens."""
    read = 0
    for segment in segments:
        yield segment
        read += segment.tokens
        if read >= tokens:
            return
