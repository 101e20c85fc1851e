"""The time limit of a run: how much of it training may take, and which steps a run leaves out if time is short."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from lmctl import families
from lmctl.config import seconds_of
from lmctl.errors import OutOfTimeError
from lmctl.jobs.train.network_size import configured_parameters, configured_sizes
from lmctl.jobs.train.time_estimates import (
    COMPARING_SECONDS,
    PUBLISHED_BYTES_PER_SECOND,
    counting_seconds,
    leaves_time_to_count,
    publishing_seconds,
    scoring_seconds,
)
from lmctl.query.scoring import FEWEST_TIMED_TOKENS
from lmctl.query.tuning import CACHE_TOKENS
from lmctl.training.time_limit import AFTER_SHARE, TimeLimit

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.comparison import Standard
    from lmctl.training.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

# Seconds of opening and checking a new bundle, and of ending the process, whatever the size of the bundle.
FIXED_SECONDS = 2.0
# A run never ends later after its limit than this share of it, or these seconds if that is more.
LARGEST_OVERRUN_SHARE, LARGEST_OVERRUN_SECONDS = 0.02, 5.0
# A cache that is tuned on fewer tokens may be worse than none.
FEWEST_CACHE_TOKENS = 5_000
# About the words of the part that the gate compares even if the time is over.
FEWEST_COMPARED_TOKENS = 1_000
# The baseline is given up after this share of the time left when it was begun.
LONGEST_COUNTING = 0.7


class TimeBudget:
    """Divides `training.time_limit` among the steps of a run. Without a limit, every step is allowed.

    Args:
        corpus: the corpus of the run.
        config: fully resolved.
        deadline: end of the run, which every step asks.

    Attributes:
        baseline_bytes: size of a baseline that may be published beside the network.
    """

    def __init__(self, corpus: PreparedCorpus, config: Config, deadline: Deadline) -> None:
        self._corpus = corpus
        self._config = config
        self._deadline = deadline
        self.baseline_bytes = 0

    def allows_baseline(self, scratch: Path) -> bool:
        """Whether the baseline can be estimated beside the network; if not, a warning says so.

        Args:
            scratch: a folder for the files of the estimate.
        """
        if not self._deadline.exists:
            return True
        seconds = counting_seconds(self._corpus, self._config, scratch, clock=self._deadline.clock)
        left = max(self._deadline.left(), 0.0)
        if leaves_time_to_count(seconds, left):
            return True
        logger.warning(
            "no baseline (family %s) is estimated beside the network: it would take about %.0f of the %.0f s that "
            "training.time_limit leaves",
            families.baseline().name,
            seconds,
            left,
        )
        return False

    def share(self, share: float) -> Deadline:
        """The end of a share of the time left, counted from now."""
        if not self._deadline.exists:
            return self._deadline
        return self._deadline.earlier((1 - share) * max(self._deadline.left(), 0.0))

    def training_limit(self, standard: Standard | None, checkpoint: Checkpoint | None) -> TimeLimit | None:
        """The time limit of training that keeps the time limit of the whole run; None without a limit.

        Args:
            standard: figures of the current generation; None: there is no gate.
            checkpoint: the checkpoint that the run continues from; None: it starts anew.

        Raises:
            OutOfTimeError: no time is left to train.
        """
        if not self._deadline.exists:
            return None
        # The machine may become half as fast when training is over, and this work then takes twice as long. Half
        # of the overrun that a run may have is used for it, too.
        needed = self._uncut_seconds(standard)
        before = 0.0 if checkpoint is None else checkpoint.progress.seconds
        # A continued run has a model to publish, even if there is no time to train.
        if checkpoint is None and self._deadline.left() < needed:
            raise OutOfTimeError(
                f"training.time_limit: {self._config.training.time_limit} leaves no time to train: "
                f"{max(self._deadline.left(), 0.0):.0f} s are left, and publishing will take about "
                f"{needed:.0f} s"
                + ("" if standard is None else ", the gate included; --no-gate publishes without it")
            )
        return TimeLimit(
            self._deadline.end - before,
            self.publishing_seconds(standard),
            seconds_needed=max(needed, 2 * needed - self._overrun_seconds / 2),
            clock=self._deadline.clock,
        )

    def publishing_seconds(self, standard: Standard | None) -> float:
        """Estimate of the seconds from the end of training to the end of the run; 0 without a limit.

        Figures of the family are left out if they would take more than half of the time for all this.

        Args:
            standard: figures of the current generation; None: there is no gate.
        """
        if not self._deadline.exists:
            return 0.0
        own = self._own_figures_seconds
        fits = own <= AFTER_SHARE * self._deadline.left() / 2
        return self._after(standard) + (own if fits else 0.0)

    def scoring_deadline(self, standard: Standard | None) -> Deadline:
        """End of the time for figures of the new model: the gate and publishing come after it."""
        if not self._deadline.exists:
            # The estimates below would score a part of the text with a network of the same size.
            return self._deadline
        left = max(self._deadline.left(), 0.0)
        gate_seconds = self._after(standard, tunes_cache=False, scores=False) if standard is not None else 0.0
        writing = self._after(None, tunes_cache=False, scores=False)
        return self._deadline.earlier(max(min(gate_seconds, left / 2), writing))

    def allows_own_figures(self, deadline: Deadline) -> bool:
        """Whether the figures that only the family of the network has can be computed until then."""
        if not self._own_figures_seconds or deadline.left() > self._own_figures_seconds:
            return True
        logger.warning("training.time_limit leaves no time for figures that only this family has")
        return False

    def cache_tokens(self, scored_tokens: int, scored_seconds: float, deadline: Deadline) -> int:
        """Number of validation tokens that a cache can be tuned on; 0 if there is no time.

        Args:
            scored_tokens: number of tokens that were scored.
            scored_seconds: time that scoring them took.
            deadline: end of the time for tuning.
        """
        most = min(len(self._corpus.valid), CACHE_TOKENS)
        if not deadline.exists or not most:
            return most
        seconds_of_token = scored_seconds / max(scored_tokens, 1) + COMPARING_SECONDS
        left = max(deadline.left(), 0.0)
        fitting = most if most * seconds_of_token <= left else int(left / seconds_of_token)
        if fitting >= min(most, FEWEST_CACHE_TOKENS):
            return fitting
        logger.info("no cache was tuned: training.time_limit leaves no time for it")
        return 0

    def seconds_for_own_figures(self, deadline: Deadline) -> float:
        """Seconds before a deadline that are kept for `Family.own_figures` while the model is scored.

        Figures that would take more than half of the time get none: scoring would be cut short, and there might
        still be no time for them.
        """
        fits = deadline.exists and self._own_figures_seconds <= deadline.left() / 2
        return self._own_figures_seconds if fits else 0.0

    def _uncut_seconds(self, standard: Standard | None) -> float:
        """Estimate of the seconds of the work after training that cannot be cut short."""
        pieces = FEWEST_TIMED_TOKENS + (0 if standard is None else FEWEST_COMPARED_TOKENS)
        scoring = self._scoring_seconds * min(1.0, pieces / max(len(self._corpus.valid), 1))
        return self._after(None, tunes_cache=False, scores=False) + scoring

    @property
    def _overrun_seconds(self) -> float:
        """The most seconds that a run may end after its limit."""
        limit = self._config.training.time_limit
        share = 0.0 if limit is None else LARGEST_OVERRUN_SHARE * seconds_of(limit)
        return max(share, LARGEST_OVERRUN_SECONDS)

    def _after(self, standard: Standard | None, **parts: bool) -> float:
        """See the function `publishing_seconds`."""
        parameters = configured_parameters(self._corpus, self._config)
        if not self._config.family.predicts_next_word:
            # A model that fills gaps has no cache.
            parts["tunes_cache"] = False
        seconds = publishing_seconds(
            parameters,
            standard,
            self._scoring_seconds,
            len(self._corpus.valid),
            family=self._config.family.name,
            **parts,
        )
        return FIXED_SECONDS + seconds + self.baseline_bytes / PUBLISHED_BYTES_PER_SECOND

    @cached_property
    def _own_figures_seconds(self) -> float:
        """Estimate of the seconds that `Family.own_figures` takes."""
        valid_tokens = len(self._corpus.valid)
        sizes = configured_sizes(self._corpus, self._config)
        tokens = self._config.family.own_figures_tokens(sizes, valid_tokens)
        return self._scoring_seconds * tokens / max(valid_tokens, 1)

    @cached_property
    def _scoring_seconds(self) -> float:
        """Estimate of the seconds that scoring the validation text takes on this machine."""
        return scoring_seconds(self._corpus, self._config, clock=self._deadline.clock)
