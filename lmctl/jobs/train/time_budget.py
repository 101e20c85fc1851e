"""What is set aside of a time limit for what follows training, and what a run does without if time is short."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.jobs.train.disk_space import FLOAT32_BYTES
from lmctl.jobs.train.estimating import estimation_config
from lmctl.jobs.train.network_size import configured_sizes
from lmctl.query.scoring import token_log_probs
from lmctl.query.tuning import CACHE_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.train.gate import Standard

# A bundle is written, synced, hashed, and read again to verify it; this is a slow disk.
PUBLISHED_BYTES_PER_SECOND = 50e6
# Scoring is judged by a part of the text that takes so long, found by doubling.
FEWEST_SCORED_TOKENS, SCORING_SECONDS = 500, 0.25
# Tuning a cache reads the text once and compares every context with many: about so many times as long.
CACHE_COST = 4
# n-grams are counted beside a network if that takes no larger share of the time that is left, judged by a part.
# They are what is published if the rest is too short to load TensorFlow, to compile and to train.
COUNTING = 0.4
COUNTED_PART, FEWEST_COUNTED_TOKENS = 0.02, 20_000


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
    """About how long it takes from the last step until a network is published.

    Args:
        parameters: of the network.
        standard: how long the published model took to score the texts of the gate. A new one of its family takes
            about as long; longer, as far as it has more parameters. None: there is no gate.
        scoring_seconds: what scoring the validation text with the network takes.
        valid_tokens: of that text.
        family: of the network; None if there is no gate.
        tunes_cache: whether a cache is tuned, which a run does without if time is short.
        scores: whether the network is scored for its own figures; if time is short, those of training do.
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
    """About how long scoring the validation text takes with a network of these sizes, judged by a part of it.

    The weights are random: they do not decide how long it takes.
    """
    token_ids = corpus.valid
    if not len(token_ids):
        return 0.0
    network = config.family.random_model(configured_sizes(corpus, config))
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID) + 1

    def score(tokens: int) -> None:
        part = token_ids[:tokens].astype(np.int64)
        token_log_probs(network, part, state=config.validation.state, threads=config.device.threads)

    # Tables are made ready when they are first used.
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


def tuning_seconds(scored_seconds: float, valid_tokens: int) -> float:
    """About how long tuning a cache takes.

    Args:
        scored_seconds: how long scoring the validation text has taken.
        valid_tokens: of that text.
    """
    return CACHE_COST * scored_seconds * min(valid_tokens, CACHE_TOKENS) / max(valid_tokens, 1)


def leaves_time_to_count(seconds: float, left_seconds: float) -> bool:
    """Whether n-grams are counted beside a network.

    Args:
        seconds: what counting takes.
        left_seconds: of the time limit, before counting and before TensorFlow is loaded.
    """
    return seconds <= COUNTING * left_seconds


def counting_seconds(
    corpus: PreparedCorpus, config: Config, scratch: Path, *, clock: Callable[[], float] = time.monotonic
) -> float:
    """About how long counting the n-grams of a corpus takes, judged by a part of it."""
    tokens = len(corpus.train)
    part = corpus.train[: max(FEWEST_COUNTED_TOKENS, int(COUNTED_PART * tokens))]
    began = clock()
    with tempfile.TemporaryDirectory(dir=scratch, prefix="timed.") as folder:
        keys = estimation_config(config, tokens)
        families.baseline().estimate_part(part, len(corpus.vocabulary), keys, Path(folder))
    return (clock() - began) * tokens / len(part)
