"""The structs that metrics.json is checked against when it is read, because another program may have written it.

The writers' own structs (jobs/watching/events.py, training/events.py) have the same fields; a test compares them.
A number that is not finite is null in JSON.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lmctl.corpus.counts import Count, Name

Figure = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
State = Literal["carry", "reset"]
FigureName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,80}\Z")]
MOST_OWN_FIGURES = 100


class ValidMetrics(msgspec.Struct, kw_only=True):
    """Figures of the validation text."""

    cross_entropy_nats: Figure | None = None
    perplexity: Figure | None
    includes_oov: bool
    state: State
    vocabulary_size: Count
    oov_rate: Share
    # null: the whole text was scored.
    tokens: Count | None = None


class ValidGapsMetrics(msgspec.Struct, kw_only=True):
    """Figures of words of the validation text, each hidden in turn, under a model that fills gaps."""

    pseudo_cross_entropy_nats: Figure | None
    pseudo_perplexity: Figure | None
    scored_words: Count
    includes_oov: bool
    vocabulary_size: Count
    oov_rate: Share


class TrainMetrics(msgspec.Struct, kw_only=True):
    """Figures of the training text in the best epoch, with dropout on."""

    perplexity: Figure | None = None
    masked_cross_entropy_nats: Figure | None = None


class DriftMetrics(msgspec.Struct, kw_only=True):
    """Changes since the older model that training started from."""

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
    new_text: Share
    rehearsed_text: Figure
    rate_factor: Share


class ComparedMetrics(msgspec.Struct, kw_only=True):
    """Perplexities of the network, of an n-gram model of the same corpus, and of their mixture."""

    # null: an older version of lmctl wrote the bundle.
    baseline: Name | None = None
    ngram_perplexity: Figure | None
    network_perplexity: Figure | None
    mixture_perplexity: Figure | None
    weights: Annotated[list[Share], Meta(min_length=2, max_length=2)]
    mixture_is_chosen: bool
    includes_oov: bool
    state: State
    # null: an older version of lmctl wrote the bundle.
    tokens: Count | None = None


class CacheMetrics(msgspec.Struct, kw_only=True):
    """Perplexities with and without the cache of `--cache`."""

    words: Count
    tokens: Count
    perplexity_without: Figure | None
    perplexity: Figure | None
    includes_oov: bool


class Metrics(msgspec.Struct, kw_only=True):
    """The content of metrics.json; a part is null if it was not measured.

    A model that fills gaps has `valid_gaps` and no `valid`, so that no reader takes the one for the other.
    """

    valid: ValidMetrics | None = None
    valid_gaps: ValidGapsMetrics | None = None
    train: TrainMetrics | None = None
    drift: DriftMetrics | None = None
    compared: ComparedMetrics | None = None
    cache: CacheMetrics | None = None
    # Figures that only the family of the trained model has, by name (Family.own_figures).
    own: Annotated[dict[FigureName, float | None], Meta(max_length=MOST_OWN_FIGURES)] | None = None


class HistoryLine(msgspec.Struct, kw_only=True):
    """A line of history.jsonl, which describes one epoch."""

    epoch: Count
    step: Count = 0
    tokens: Count = 0
    learning_rate: Figure | None = None
    train_perplexity: Figure | None = None
    valid_perplexity: Figure | None = None
    train_masked_cross_entropy_nats: Figure | None = None
    valid_masked_cross_entropy_nats: Figure | None = None
    best: bool = False
    tokens_per_second: Figure | None = None
    seconds: Figure | None = None
