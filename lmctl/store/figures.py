"""What metrics.json holds, as it is checked when it is read: a bundle may come from another program.

The writers' own structs (jobs/watching/events.py, training/events.py) have the same fields; a test holds the two
together. A number that is not finite is null in JSON.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.corpus.prepared import Count, Name

Figure = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
State = Literal["carry", "reset"]


class ValidMetrics(msgspec.Struct, kw_only=True):
    """Of the validation text."""

    cross_entropy_nats: Figure | None = None
    perplexity: Figure | None
    includes_oov: bool
    state: State
    vocabulary_size: Count
    oov_rate: Share
    # null: all of the text.
    tokens: Count | None = None


class TrainMetrics(msgspec.Struct, kw_only=True):
    """Of the training text in the best epoch, with dropout on."""

    perplexity: Figure | None = None


class DriftMetrics(msgspec.Struct, kw_only=True):
    """What had changed since the model that training started from."""

    model_sha256: Name
    oov_rate: Share
    new_words: list[tuple[str, Count]]
    rows_kept: Count
    rows_moved: Count
    rows_new: Count
    rows_gone: Count
    valid_perplexity: Figure | None
    valid_oov_rate: Share | None
    valid_state: State | None


class ComparedMetrics(msgspec.Struct, kw_only=True):
    """The network beside n-grams of the same corpus, and their mixture."""

    # null: a version of lmctl that did not state it made the bundle.
    baseline: Name | None = None
    ngram_perplexity: Figure | None
    network_perplexity: Figure | None
    mixture_perplexity: Figure | None
    weights: Annotated[list[Share], Meta(min_length=2, max_length=2)]
    mixture_is_chosen: bool
    includes_oov: bool
    state: State


class CacheMetrics(msgspec.Struct, kw_only=True):
    """What `--cache` is good for."""

    words: Count
    tokens: Count
    perplexity_without: Figure | None
    perplexity: Figure | None
    includes_oov: bool


class Metrics(msgspec.Struct, kw_only=True):
    """All of metrics.json; null if there is nothing to state."""

    valid: ValidMetrics | None = None
    train: TrainMetrics | None = None
    drift: DriftMetrics | None = None
    compared: ComparedMetrics | None = None
    cache: CacheMetrics | None = None


class HistoryLine(msgspec.Struct, kw_only=True):
    """A line of history.jsonl: an epoch."""

    epoch: Count
    step: Count = 0
    tokens: Count = 0
    learning_rate: Figure | None = None
    train_perplexity: Figure | None = None
    valid_perplexity: Figure | None = None
    best: bool = False
    tokens_per_second: Figure | None = None
    seconds: Figure | None = None
