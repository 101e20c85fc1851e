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

    def terms(self) -> ValidationTerms | None:
        """What its perplexity must be stated with; None if there is no validation text."""
        if not len(self._corpus.valid):
            return None
        oov_rate = self._corpus.record.valid.oov_rate
        return ValidationTerms(self._config.validation.state, oov_rate, self._steps.scores_oov)

    def cross_entropy(self) -> float | None:
        """Nats a token of the whole text; None if there is none."""
        if not len(self._corpus.valid):
            return None
        nats, tokens = self._score(self._segments())
        return nats / max(tokens, 1)

    def seconds(self) -> float:
        """What scoring the whole text takes, judged by a part of it; 0 if there is none."""
        if not len(self._corpus.valid):
            return 0.0
        training = self._config.training
        full_segments = len(self._corpus.valid) // (training.batch_size * training.num_steps)
        # From all over the text: sentences side by side come sorted by length.
        some = list(islice(self._segments(), 0, None, max(1, full_segments // TIMED_SEGMENTS)))
        self._score(some)  # compiles
        began = self._clock()
        self._score(some)
        seconds = self._clock() - began
        return seconds * len(self._corpus.valid) / sum(segment.tokens for segment in some)

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
        read = carried_segments if self._config.validation.state == "carry" else sentence_segments
        training = self._config.training
        return read(self._corpus.valid, batch_size=training.batch_size, num_steps=training.num_steps)
