"""The events of a run, from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from lmctl.store.runs import Changes, Outcome
from lmctl.training.events import CurvePoint, Drift, EpochDone, StepDone, TrainingStarted


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The first event of every run.

    Attributes:
        pid: process id of the run.
        lmctl: version of lmctl.
        model: the model folder.
        inputs: paths of the texts, or of a prepared folder, as the user typed them.
        settings: settings of the user, by key.
    """

    pid: int
    lmctl: str
    model: Path
    inputs: list[str]
    settings: dict[str, str | int | float | bool | None]


class LockTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The run holds the model's lock and starts its work.

    Attributes:
        generation: number of the current generation; None if nothing has been published.
    """

    generation: str | None


class TextRead(msgspec.Struct, frozen=True, kw_only=True):
    """The number of bytes that preparation has read so far."""

    bytes: int


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """The training corpus is prepared.

    Attributes:
        tokens: number of training tokens, ends of sentences included.
        vocabulary_size: number of words, `<unk>` and `</s>` included.
        oov_rate: share of the training words that are not in the vocabulary.
        valid_tokens: number of validation tokens.
        valid_oov_rate: share of the validation words that are not in the vocabulary; None if there is no
            validation text.
    """

    tokens: int
    vocabulary_size: int
    oov_rate: float
    valid_tokens: int
    valid_oov_rate: float | None


class CheckpointSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint was written, from which the run can continue.

    Attributes:
        step: number of steps done.
        path: path of the checkpoint.
    """

    step: int
    path: Path


class GateDone(msgspec.Struct, frozen=True, kw_only=True):
    """The gate has compared the current generation and the new model on a text.

    Attributes:
        text: "validation": the validation text of the new corpus; "kept": the text that the current generation
            keeps.
        published_bits_per_character: figure of the current generation.
        new_bits_per_character: figure of the new model.
        figure: what the two are: bits per character, or pseudo bits per character of models that fill gaps.
        tolerance: share by which the new figure may be higher.
        passed: whether it is at most so much higher.
        characters: number of characters that were scored; fewer than the text has if a time limit left no time for
            all. Of models that fill gaps, those of the hidden words.
    """

    text: Literal["validation", "kept"]
    published_bits_per_character: float
    new_bits_per_character: float
    tolerance: float
    passed: bool
    characters: int
    figure: Literal["bits_per_character", "pseudo_bits_per_character"] = "bits_per_character"


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The network was compared with the baseline of the same corpus, and with their mixture.

    All perplexities are on the validation text.

    Attributes:
        baseline: short name of the baseline, such as "5-grams".
        ngram_perplexity: perplexity of the baseline.
        network_perplexity: perplexity of the network.
        mixture_perplexity: perplexity of the mixture.
        weights: mixture weights of the network and of the baseline.
        mixture_is_chosen: whether the mixture replaces the network (`training.with_ngram`).
        includes_oov: whether out-of-vocabulary words count.
        state: "carry" or "reset".
        tokens: number of tokens that were scored; fewer than the text has if a time limit left no time for all.
    """

    baseline: str
    ngram_perplexity: float
    network_perplexity: float
    mixture_perplexity: float
    weights: list[float]
    mixture_is_chosen: bool
    includes_oov: bool
    state: str
    tokens: int


class CacheTuned(msgspec.Struct, frozen=True, kw_only=True):
    """A cache was tuned on the beginning of the validation text, read as one stream.

    Attributes:
        words: number of words that the cache holds.
        tokens: number of tokens that the perplexities are of.
        perplexity_without: perplexity without the cache.
        perplexity: perplexity with the cache.
        includes_oov: whether out-of-vocabulary words count.
    """

    words: int
    tokens: int
    perplexity_without: float
    perplexity: float
    includes_oov: bool


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of a run. Only a killed run has none.

    Attributes:
        outcome: published, unchanged, rejected, interrupted, failed or locked.
        exit_code: exit code of the process.
        generation: number of the generation that was published, or that is current and unchanged.
        message: error message, if the run failed.
        changes: changes since the last run that published, as in runs.jsonl.
        figures: figures of the model, as in runs.jsonl.
        seconds: duration of the run.
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
    | CurvePoint
    | EpochDone
    | CheckpointSaved
    | Compared
    | CacheTuned
    | GateDone
    | RunEnded
)
OnRunEvent = Callable[[RunEvent], None]
Event = TypeVar("Event")


def ignore_event(event: object) -> None:
    """Ignore an event."""


def to_all(*listeners: Callable[[Event], None]) -> Callable[[Event], None]:
    """A listener that passes every event to several listeners, in this order."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell
