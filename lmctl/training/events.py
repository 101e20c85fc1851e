"""The events of training. This module does not import TensorFlow, so that every module may import it."""

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
    """The conditions of a validation perplexity; `includes_oov` is false if training never sees `<unk>`."""

    state: str
    oov_rate: float
    includes_oov: bool


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The network is built, and training starts; `step` steps were done by an interrupted run before.

    `fills_gaps`: the figures of the epochs are masked cross-entropies.
    """

    preset: str
    device: str
    parameters: int
    vocabulary_size: int
    tokens_per_epoch: int
    epochs: int
    validation: ValidationTerms | None
    step: int = 0
    fills_gaps: bool = False


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """A score of the beginning of the validation text in the midst of training (`Watch.curve_points`).

    Point n of N is taken when the share n / N of the planned training is done; there is no point N, because
    training ends with a validation. `tokens` counts the tokens since training began. For the figures see
    `EpochDone`.
    """

    point: int
    points: int
    step: int
    tokens: int
    valid_perplexity: float | None
    valid_masked_cross_entropy_nats: float | None


@dataclass(frozen=True, slots=True)
class StepDone:
    """One optimizer update; `tokens` counts the tokens since training began; for figures see `EpochDone`.

    `tokens_per_second` is the mean since this process began, without its first step. `seconds_left` is None after
    the first step, most of whose time is spent compiling.
    """

    epoch: int
    epochs: int
    step: int
    tokens: int
    epoch_tokens: int
    tokens_per_epoch: int
    tokens_per_second: float
    train_perplexity: float | None
    valid_perplexity: float | None
    seconds_left: float | None
    train_masked_cross_entropy_nats: float | None = None
    valid_masked_cross_entropy_nats: float | None = None


class EpochDone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of history.jsonl.

    `train_perplexity` is measured with dropout on; `valid_perplexity` includes OOVs, unless training never sees
    `<unk>`. A network that fills gaps has neither: its figures are the mean nats of the words that were hidden,
    `train_masked_cross_entropy_nats` and `valid_masked_cross_entropy_nats`.
    """

    epoch: int
    step: int
    tokens: int
    learning_rate: float
    train_perplexity: float | None
    valid_perplexity: float | None
    best: bool
    tokens_per_second: float
    seconds: float
    train_masked_cross_entropy_nats: float | None = None
    valid_masked_cross_entropy_nats: float | None = None


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """The changes since the older model of a warm start.

    Attributes:
        model_sha256: hash of the older model, from its model.json.
        oov_rate: share of the words of the new training text that are not in the old vocabulary.
        new_words: the most frequent of these words, each with its count.
        rows_kept: words whose vectors were kept, also if their ids have changed.
        rows_moved: words whose vectors were made anew, because they are in another cluster now.
        rows_new: words whose vectors start as their cluster's mean.
        rows_gone: words that left the vocabulary.
        valid_perplexity: perplexity of the older model on the new validation text, OOVs included; None if there is
            no validation text.
        valid_oov_rate: OOV rate of the new validation text under the old vocabulary.
        valid_state: the state mode of that perplexity.
        new_text: share of the tokens of the training text that the older model was not trained on.
        rehearsed_text: number of its other tokens that an epoch has, divided by their number.
        rate_factor: factor of the learning rate.
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
    new_text: float
    rehearsed_text: float
    rate_factor: float


TrainingEvent = TrainingStarted | StepDone | CurvePoint | EpochDone
OnEvent = Callable[[TrainingEvent], None]


def ignore_event(event: TrainingEvent) -> None:
    """Do nothing with an event."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The callbacks of a training run.

    Attributes:
        on_event: called with the event of every step and epoch.
        interrupted: called after every step; if it returns true, training saves a checkpoint and ends.
        save: called with a checkpoint: every `save_every_seconds`, after each epoch, and if training is
            interrupted.
        save_every_seconds: time between two checkpoints.
        curve_points: number of parts of the planned training after each of which the beginning of the validation
            text is scored; 0: it is scored only in full, after each epoch. The model does not depend on it, unless
            a time limit leaves fewer steps.
    """

    on_event: OnEvent = ignore_event
    interrupted: Callable[[], bool] = lambda: False
    save: Callable[[Checkpoint], None] = lambda _checkpoint: None
    save_every_seconds: float = math.inf
    curve_points: int = 0
