"""What the user asks of `lmctl tune`, apart from texts and settings; and its result."""

from __future__ import annotations

import msgspec

from lmctl.jobs.train.publish import Trained
from lmctl.jobs.tune.limits import Limits
from lmctl.jobs.tune.study import Trial
from lmctl.jobs.watching.tuning_events import ComparedFigure, Values
from lmctl.store.lock import LockPolicy


class TuneOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a run of `lmctl tune`.

    Attributes:
        limit_seconds: time limit of the whole run.
        space_file: YAML file of the space; None: the built-in space for the family and the size of the text.
        trials: largest number of trials of the study, those of earlier runs included; None: as many as fit.
        limits: the largest size and the longest query time of the model.
        random: whether configurations are drawn at random, and no trial is cut off.
        restart: whether an earlier study of the model is removed.
        lock: if another run works on this study, "fail" at once, or "wait" for its end.
        jobs: number of processes that prepare the text; 0: the number of cores.
        scheduler: name of the cluster that prepares the text and runs the trials; None: this machine does.
        verbose: whether to show the messages of TensorFlow in the last training.
    """

    limit_seconds: float
    space_file: str | None = None
    trials: int | None = None
    limits: Limits = Limits()
    random: bool = False
    restart: bool = False
    lock: LockPolicy = "fail"
    jobs: int = 0
    scheduler: str | None = None
    verbose: bool = False


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run of `lmctl tune`.

    Attributes:
        trials: number of trials of the study by their state.
        best: number of the best trial.
        values: its values of the keys that vary.
        figure: what perplexities are called here; those of models that fill gaps are pseudo-perplexities.
        trial_perplexity: that of the best trial.
        first_perplexity: perplexity of trial 0, which has the values of the preset; None if it was not trained to
            its end.
        importances: share of each key in the differences between trials.
        settings: YAML file that repeats the best configuration.
        yaml: its content.
        trained: the result of the last training.
        study: the trials that have ended, in their order.
    """

    trials: dict[str, int]
    best: int
    values: Values
    figure: ComparedFigure
    trial_perplexity: float
    first_perplexity: float | None
    importances: dict[str, float]
    settings: str
    yaml: str
    trained: Trained
    study: list[Trial]
