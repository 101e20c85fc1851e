"""The events of `lmctl tune`, from its start to the training of the best configuration, whose events follow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from lmctl.jobs.watching.events import RunEvent

# done: trained to its end; cut: ended by halving; failed: training diverged or crashed; too_large: over a limit.
TrialState = Literal["done", "cut", "failed", "too_large"]
# Perplexities of models that fill gaps are pseudo-perplexities; trials are compared by either.
ComparedFigure = Literal["perplexity", "pseudo_perplexity"]
Values = dict[str, str | int | float | bool | None]


class StudyStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The text is prepared, and trials begin.

    Attributes:
        model: the model folder.
        space: name of the space: a file, or the preset that it belongs to.
        keys: the keys that vary.
        decided: number of trials of earlier runs of this study.
        trial_seconds: time limit of a trial; None: there is none.
        final_seconds: time limit of the training of the best configuration; None: there is none.
        search_seconds: time for trials.
        at_once: number of trials that run at the same time.
        figure: the figure that is compared.
    """

    model: Path
    space: str
    keys: list[str]
    decided: int
    trial_seconds: float | None
    final_seconds: float | None
    search_seconds: float
    at_once: int
    figure: ComparedFigure


class TrialStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A trial begins, or is continued after its process or its worker was killed.

    Attributes:
        trial: its number, from 0.
        values: the values of the keys that vary.
        continued: whether it was begun before.
        worker: address of the worker of a cluster that runs it; None: it runs on this machine.
    """

    trial: int
    values: Values
    continued: bool
    worker: str | None = None


class TrialPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a trial's validation curve: the perplexity at `point` of `points` parts of its training."""

    trial: int
    point: int
    points: int
    perplexity: float


class TrialEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A trial ended.

    Attributes:
        trial: its number, from 0.
        state: how.
        perplexity: of the whole validation text, if it is done; of its last point, if it was cut.
        best: whether it is the best one so far.
        seconds: the time that it took in this run.
        why: a message about a trial that failed or is too large.
        figures: the figures that --at-most limits.
    """

    trial: int
    state: TrialState
    perplexity: float | None
    best: bool
    seconds: float
    why: str | None
    figures: dict[str, float]


class StudyEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Trials are over, and the best configuration is trained.

    Attributes:
        trials: number of trials by their state.
        best: number of the best trial.
        values: its values.
        perplexity: its perplexity.
        importances: share of each key in the differences between trials; empty if there are too few of them.
        settings: YAML file that repeats the best configuration.
    """

    trials: dict[str, int]
    best: int
    values: Values
    perplexity: float
    importances: dict[str, float]
    settings: Path


TuningEvent = StudyStarted | TrialStarted | TrialPoint | TrialEnded | StudyEnded
OnTuningEvent = Callable[[TuningEvent | RunEvent], None]
