"""The events of a run, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from lmctl.store.runs import Changes, Outcome
from lmctl.training.events import Drift, EpochDone, StepDone, TrainingStarted


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of a run, whatever becomes of it.

    Attributes:
        pid: of its process.
        lmctl: its version.
        model: the model's folder.
        inputs: texts, or a prepared folder, as they were given.
        settings: what was asked for, by key.
    """

    pid: int
    lmctl: str
    model: Path
    inputs: list[str]
    settings: dict[str, str | int | float | bool | None]


class LockTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The run holds the model's lock, and there is something to do.

    Attributes:
        generation: what is current; None if nothing has been published.
    """

    generation: str | None


class TextRead(msgspec.Struct, frozen=True, kw_only=True):
    """Preparation has read so much."""

    bytes: int


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """The corpus to train on is there.

    Attributes:
        tokens: to train on, the ends of sentences included.
        oov_rate: share of the training words that are not in the vocabulary.
        valid_tokens: to validate on.
        valid_oov_rate: likewise; None if there is no validation text.
    """

    tokens: int
    vocabulary_size: int
    oov_rate: float
    valid_tokens: int
    valid_oov_rate: float | None


class CheckpointSaved(msgspec.Struct, frozen=True, kw_only=True):
    """From here the run can be continued.

    Attributes:
        step: how many steps are done.
    """

    step: int
    path: Path


class GateDone(msgspec.Struct, frozen=True, kw_only=True):
    """The published model and the new one were compared on a text, in bits per character.

    Attributes:
        text: "validation": that of the new corpus; "kept": that of the published generation.
    """

    text: Literal["validation", "kept"]
    published_bits_per_character: float
    new_bits_per_character: float
    tolerance: float
    passed: bool


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The network beside an n-gram model of the same corpus, and their mixture.

    Attributes:
        baseline: short name of the n-gram model, such as "5-grams".
        ngram_perplexity: of the validation text, as the other two are.
        weights: of the network and of the n-gram model in the mixture.
        mixture_is_chosen: whether the mixture goes on in the network's place (`training.with_ngram`).
        includes_oov: whether OOVs count.
        state: "carry" or "reset".
    """

    baseline: str
    ngram_perplexity: float
    network_perplexity: float
    mixture_perplexity: float
    weights: list[float]
    mixture_is_chosen: bool
    includes_oov: bool
    state: str


class CacheTuned(msgspec.Struct, frozen=True, kw_only=True):
    """What `--cache` is good for, on the beginning of the validation text, read as one stream.

    Attributes:
        words: how many are remembered.
        tokens: how many of the text counted.
        perplexity_without: of those, without the cache.
        perplexity: with it.
        includes_oov: whether OOVs count.
    """

    words: int
    tokens: int
    perplexity_without: float
    perplexity: float
    includes_oov: bool


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of a run, however it ended, but by a kill.

    Attributes:
        outcome: published, unchanged, rejected, interrupted, failed or locked.
        exit_code: of the process.
        generation: what it published, or what was current and needed no change.
        message: what it said when it failed.
        changes: as in runs.jsonl.
        figures: likewise.
        seconds: how long it took.
    """

    outcome: Outcome
    exit_code: int
    generation: str | None
    message: str | None
    changes: Changes | None
    figures: dict[str, Any]
    seconds: float


RunEvent = (
    RunStarted
    | LockTaken
    | TextRead
    | Prepared
    | Drift
    | TrainingStarted
    | StepDone
    | EpochDone
    | CheckpointSaved
    | Compared
    | CacheTuned
    | GateDone
    | RunEnded
)
OnRunEvent = Callable[[RunEvent], None]


def ignore_event(event: RunEvent) -> None:
    """Watch nothing."""


def to_all(*listeners: OnRunEvent) -> OnRunEvent:
    """One listener that passes every event on to several, in this order."""

    def tell(event: RunEvent) -> None:
        for listener in listeners:
            listener(event)

    return tell
