"""The events of training; free of TensorFlow, so that every module may import them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from lmctl.training.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class ValidationTerms:
    """What a validation perplexity must be stated with; `includes_oov` is false where `<unk>` is not trained."""

    state: str
    oov_rate: float
    includes_oov: bool


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The network is built and the next step follows; `step` are done, by a run that was cut off."""

    preset: str
    device: str
    parameters: int
    vocabulary_size: int
    tokens_per_epoch: int
    epochs: int
    validation: ValidationTerms | None
    step: int = 0


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimizer update; `tokens` are those since training began."""

    epoch: int
    epochs: int
    step: int
    tokens: int
    epoch_tokens: int
    tokens_per_epoch: int
    tokens_per_second: float
    train_perplexity: float
    valid_perplexity: float | None
    seconds_left: float


class EpochDone(msgspec.Struct, frozen=True, kw_only=True):
    """One line of history.jsonl.

    `train_perplexity` is measured with dropout on; `valid_perplexity` includes OOVs, unless nothing in training
    maps to `<unk>`.
    """

    epoch: int
    step: int
    tokens: int
    learning_rate: float
    train_perplexity: float
    valid_perplexity: float | None
    best: bool
    tokens_per_second: float
    seconds: float


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed since the model was trained that training starts from.

    Attributes:
        model_sha256: that model's, as its model.json states it.
        oov_rate: share of the new training words that are out of the old vocabulary.
        new_words: the most frequent of those, each with its count.
        rows_kept: words whose vectors were taken along, wherever their ids are now.
        rows_moved: words whose vectors were made anew in another cluster.
        rows_new: words whose vectors start as their cluster's mean.
        rows_gone: words that left the vocabulary.
        valid_perplexity: of the old model on the new validation text, OOVs included; None if there is no text.
        valid_oov_rate: of that text under the old vocabulary.
        valid_state: the state mode of that perplexity.
    """

    model_sha256: str
    oov_rate: float
    new_words: list[tuple[str, int]]
    rows_kept: int
    rows_moved: int
    rows_new: int
    rows_gone: int
    valid_perplexity: float | None
    valid_oov_rate: float | None
    valid_state: str | None


TrainingEvent = TrainingStarted | StepDone | EpochDone
OnEvent = Callable[[TrainingEvent], None]


def ignore_event(event: TrainingEvent) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What a training run does beside training.

    Attributes:
        on_event: told of every step and epoch.
        interrupted: asked after every step; once it says yes, training ends with a checkpoint.
        save: keeps a checkpoint: every so often, after each epoch, and when training is interrupted.
        save_every_seconds: how often.
    """

    on_event: OnEvent = ignore_event
    interrupted: Callable[[], bool] = lambda: False
    save: Callable[[Checkpoint], None] = lambda _checkpoint: None
    save_every_seconds: float = math.inf
