"""Estimates of the time that the steps of a training run take, from parts of their work."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.gap_model import GapModel
from lmctl.jobs.train.disk_space import FLOAT32_BYTES
from lmctl.jobs.train.estimating import estimation_config
from lmctl.jobs.train.network_size import configured_sizes
from lmctl.jobs.train.validating import sampled_log_probs
from lmctl.query.gap_scoring import SAMPLED_WORDS
from lmctl.query.scoring import token_log_probs
from lmctl.query.tuning import CACHE_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.train.comparison import Standard

# Bytes of a bundle that a slow disk writes, syncs, hashes and reads again in a second.
PUBLISHED_BYTES_PER_SECOND = 50e6
# The time of scoring is estimated from a part of the text. The part starts with this number of tokens, and is
# doubled until scoring it takes this many seconds.
FEWEST_SCORED_TOKENS, SCORING_SECONDS = 500, 0.25
# The same for a model that fills gaps, which reads a whole sentence for each word.
FEWEST_SCORED_GAPS = 16
# Seconds of comparing a context with the words of a cache, for all parameters that are tried. It hardly depends on
# the model, which reads the text once more. One core took 0.29 ms (Intel Xeon with AVX-512, WikiText-2).
COMPARING_SECONDS = 3e-4
# Largest share of the time left that estimating the baseline may take. The baseline is published if the rest is
# too short to load TensorFlow, to compile and to train.
COUNTING = 0.4
# Share of the training text that the time of counting is estimated from, and its fewest tokens.
COUNTED_PART, FEWEST_COUNTED_TOKENS = 0.02, 20_000


def copying_seconds(folder: Path) -> float:
    """Estimate of the seconds that a slow disk needs for the files of a bundle."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return size / PUBLISHED_BYTES_PER_SECOND


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
    tokens = min(valid_tokens, CACHE_TOKENS)
    return scored_seconds * tokens / max(valid_tokens, 1) + COMPARING_SECONDS * tokens


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
