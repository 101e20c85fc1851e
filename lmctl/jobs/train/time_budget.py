"""The time limit of a run: how much of it training may take, and which steps a run leaves out if time is short."""

from __future__ import annotations

import logging
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.config import seconds_of
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.errors import OutOfTimeError
from lmctl.families.gap_model import GapModel
from lmctl.jobs.train.disk_space import FLOAT32_BYTES
from lmctl.jobs.train.estimating import estimation_config
from lmctl.jobs.train.network_size import configured_parameters, configured_sizes
from lmctl.jobs.train.validating import sampled_log_probs
from lmctl.query.gap_scoring import SAMPLED_WORDS
from lmctl.query.scoring import token_log_probs
from lmctl.query.tuning import CACHE_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.train.gate import Standard
    from lmctl.training.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

# Bytes of a bundle that a slow disk writes, syncs, hashes and reads again in a second.
PUBLISHED_BYTES_PER_SECOND = 50e6
# The time of scoring is estimated from a part of the text. The part starts with this number of tokens, and is
# doubled until scoring it takes this many seconds.
FEWEST_SCORED_TOKENS, SCORING_SECONDS = 500, 0.25
# The same for a model that fills gaps, which reads a whole sentence for each word.
FEWEST_SCORED_GAPS = 16
# Time of tuning a cache, as a multiple of the time of scoring the same text: each context is compared with many.
CACHE_COST = 4
# Largest share of the time left that estimating the baseline may take. The baseline is published if the rest is
# too short to load TensorFlow, to compile and to train.
COUNTING = 0.4
# Share of the training text that the time of counting is estimated from, and its fewest tokens.
COUNTED_PART, FEWEST_COUNTED_TOKENS = 0.02, 20_000


class TimeBudget:
    """Divides `training.time_limit` among the steps of a run. Without a limit, every step is allowed.

    Args:
        corpus: the corpus of the run.
        config: fully resolved.
        began: start of the run, in seconds of time.monotonic().
    """

    def __init__(self, corpus: PreparedCorpus, config: Config, began: float) -> None:
        self._corpus = corpus
        self._config = config
        self._began = began
        limit = config.training.time_limit
        self._end = None if limit is None else began + seconds_of(limit)

    def allows_baseline(self, scratch: Path) -> bool:
        """Whether the baseline can be estimated beside the network; if not, a warning says so.

        Args:
            scratch: a folder for the files of the estimate.
        """
        if self._end is None:
            return True
        seconds = counting_seconds(self._corpus, self._config, scratch)
        left = max(self._end - time.monotonic(), 0.0)
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

    def training_deadline(self, standard: Standard | None, checkpoint: Checkpoint | None) -> float | None:
        """End of training that keeps the time limit of the whole run, in seconds of time.monotonic().

        Args:
            standard: figures of the current generation; None: there is no gate.
            checkpoint: the checkpoint that the run continues from; None: it starts anew.

        Raises:
            OutOfTimeError: no time is left to train.
        """
        if self._end is None:
            return None
        publishing = self.publishing_seconds(standard)
        deadline = self._end - publishing
        if checkpoint is not None:
            # A continued run has a model to publish, even if there is no time to train.
            return deadline - checkpoint.progress.seconds
        if deadline < time.monotonic():
            raise OutOfTimeError(
                f"training.time_limit: {self._config.training.time_limit} leaves no time to train: "
                f"{time.monotonic() - self._began:.0f} s have passed, and publishing will take about "
                f"{publishing:.0f} s"
                + ("" if standard is None else ", the gate included; --no-gate publishes without it")
            )
        return deadline

    def publishing_seconds(self, standard: Standard | None) -> float:
        """Estimate of the seconds from the end of training to the end of the run; 0 without a limit.

        Tuning a cache, scoring the network and the family's own figures are left out of the estimate, in this
        order, if they would take more than half of the time left.

        Args:
            standard: figures of the current generation; None: there is no gate.
        """
        if self._end is None:
            return 0.0
        most = (self._end - time.monotonic()) / 2
        seconds = self._after(standard)
        if seconds > most:
            seconds = self._after(standard, tunes_cache=False)
        if seconds > most:
            seconds = self._after(standard, tunes_cache=False, scores=False)
        if seconds + self._own_figures_seconds > most:
            return seconds
        return seconds + self._own_figures_seconds

    def allows_scoring(self, standard: Standard | None) -> bool:
        """Whether the validation text can be scored once more, and for the gate."""
        if self._end is None or not len(self._corpus.valid):
            return True
        gate_seconds = self._after(standard, tunes_cache=False, scores=False)
        return self._end - time.monotonic() > self._scoring_seconds + gate_seconds

    def allows_own_figures(self, standard: Standard | None) -> bool:
        """Whether the figures that only the family of the network has can be computed."""
        if self._end is None or not self._own_figures_seconds:
            return True
        gate_seconds = self._after(standard, tunes_cache=False, scores=False)
        if self._end - time.monotonic() > self._own_figures_seconds + gate_seconds:
            return True
        logger.warning("training.time_limit leaves no time for figures that only this family has")
        return False

    def allows_tuning(self, scored_seconds: float, standard: Standard | None) -> bool:
        """Whether a cache can be tuned.

        Args:
            scored_seconds: time that scoring the validation text took.
            standard: figures of the current generation; None: there is no gate.
        """
        if self._end is None:
            return True
        # The gate scores once more.
        gate_seconds = 0.0 if standard is None else scored_seconds
        tuning = tuning_seconds(scored_seconds, len(self._corpus.valid))
        if self._end - time.monotonic() > tuning + gate_seconds:
            return True
        logger.info("no cache was tuned: training.time_limit leaves no time for it")
        return False

    def _after(self, standard: Standard | None, **parts: bool) -> float:
        """See the function `publishing_seconds`."""
        parameters = configured_parameters(self._corpus, self._config)
        if not self._config.family.predicts_next_word:
            # A model that fills gaps has no cache.
            parts["tunes_cache"] = False
        return publishing_seconds(
            parameters,
            standard,
            self._scoring_seconds,
            len(self._corpus.valid),
            family=self._config.family.name,
            **parts,
        )

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
        return scoring_seconds(self._corpus, self._config)


def publishing_seconds(
    parameters: int,
    standard: Standard | None,
    scoring_seconds: float = 0.0,
    valid_tokens: int = 0,
    *,
    family: str | None = None,
    tunes_cache: bool = True,
    scores: bool = True,
) -> float:
    """Estimate of the seconds from the last step of training until the network is published.

    Args:
        parameters: number of parameters of the network.
        standard: figures of the current generation, with the time that scoring the texts of the gate took. A
            network of the same family takes as long, or longer in proportion to its parameters. None: there is no
            gate.
        scoring_seconds: time of scoring the validation text with the network.
        valid_tokens: number of tokens of that text.
        family: family of the network; None if there is no gate.
        tunes_cache: whether a cache is tuned.
        scores: whether the network is scored for its figures, or the figures of training are taken.
    """
    scoring = scoring_seconds if scores else 0.0
    if standard is not None:
        gate_seconds = scoring_seconds
        if standard.family == family:
            gate_seconds = max(gate_seconds, standard.seconds * max(1.0, parameters / standard.parameters))
        scoring += gate_seconds
    return (
        parameters * FLOAT32_BYTES / PUBLISHED_BYTES_PER_SECOND
        + scoring
        + tunes_cache * tuning_seconds(scoring_seconds, valid_tokens)
    )


def scoring_seconds(
    corpus: PreparedCorpus, config: Config, *, clock: Callable[[], float] = time.monotonic
) -> float:
    """Estimate of the seconds of scoring the validation text with the configured network, from a part of the text.

    The network has random weights: the time does not depend on them.
    """
    token_ids = corpus.valid
    if not len(token_ids):
        return 0.0
    network = config.family.random_model(configured_sizes(corpus, config))
    if isinstance(network, GapModel):
        return _gap_scoring_seconds(network, corpus, config, clock)
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID) + 1

    def score(tokens: int) -> None:
        part = token_ids[:tokens].astype(np.int64)
        token_log_probs(network, part, state=config.validation.state, threads=config.device.threads)

    # The first score makes the tables; it is not measured.
    score(int(ends[0]))
    fewest = FEWEST_SCORED_TOKENS
    while True:
        # Whole sentences, at least one.
        tokens = int(ends[min(int(np.searchsorted(ends, fewest)), len(ends) - 1)])
        began = clock()
        score(tokens)
        seconds = clock() - began
        if seconds >= SCORING_SECONDS or tokens == len(token_ids):
            return seconds * len(token_ids) / tokens
        fewest = 2 * tokens


def _gap_scoring_seconds(
    model: GapModel, corpus: PreparedCorpus, config: Config, clock: Callable[[], float]
) -> float:
    """Estimate of the seconds of scoring the words that the figures are of, from some of them."""

    def score(words: int) -> int:
        return len(sampled_log_probs(model, corpus, words, config.device.threads))

    # The first score makes the tables; it is not measured.
    score(1)
    words = FEWEST_SCORED_GAPS
    while True:
        began = clock()
        scored = score(words)
        seconds = clock() - began
        if seconds >= SCORING_SECONDS or scored < words or words >= SAMPLED_WORDS:
            return seconds * SAMPLED_WORDS / words if scored == words else seconds
        words = min(2 * words, SAMPLED_WORDS)


def tuning_seconds(scored_seconds: float, valid_tokens: int) -> float:
    """Estimate of the seconds of tuning a cache.

    Args:
        scored_seconds: time that scoring the validation text took.
        valid_tokens: number of tokens of that text.
    """
    return CACHE_COST * scored_seconds * min(valid_tokens, CACHE_TOKENS) / max(valid_tokens, 1)


def leaves_time_to_count(seconds: float, left_seconds: float) -> bool:
    """Whether the baseline is estimated beside a network.

    Args:
        seconds: time of the estimation.
        left_seconds: time left of the limit, before the estimation and before TensorFlow is loaded.
    """
    return seconds <= COUNTING * left_seconds


def counting_seconds(
    corpus: PreparedCorpus, config: Config, scratch: Path, *, clock: Callable[[], float] = time.monotonic
) -> float:
    """Estimate of the seconds of estimating the baseline of a corpus, from a part of the text."""
    tokens = len(corpus.train)
    part = corpus.train[: max(FEWEST_COUNTED_TOKENS, int(COUNTED_PART * tokens))]
    began = clock()
    with tempfile.TemporaryDirectory(dir=scratch, prefix="timed.") as folder:
        keys = estimation_config(config, tokens)
        families.baseline().estimate_part(part, len(corpus.vocabulary), keys, Path(folder))
    return (clock() - began) * tokens / len(part)
