"""The plan of a study: how long its trials and the training of its best configuration may take.

A quarter of the time limit is for the last training, and the rest for trials. A trial gets as much time as the
last training, so that its schedule is the same, but at most a sixth of the time for trials. So six trials fit if
all run to their end; halving ends most of them at a quarter or at half of it, which makes room for about twelve.
On a cluster, trials run at the same time. Then a trial gets at most the part of the time in which six trials fit
beside and after each other: a third on two workers, all of it on six.

The plan is made when the study begins, and kept when it is continued: results of longer trials would not compare.
"""

from __future__ import annotations

import math

import msgspec

from lmctl.errors import OutOfTimeError

# Share of the time limit for the last training, if training.time_limit does not set its time.
FINAL_SHARE = 0.25
# Number of trials that fit if none is cut off.
FULL_TRIALS = 6
# A trial loads TensorFlow, compiles, measures its speed, and scores and publishes its model. With less time than
# this, next to nothing is left for training.
SHORTEST_TRIAL_SECONDS = 20.0


class TimePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The times of a study, in seconds; None for models that are estimated, whose time cannot be limited.

    Attributes:
        trial_seconds: time limit of each trial.
        final_seconds: time limit of the training of the best configuration.
    """

    trial_seconds: float | None = None
    final_seconds: float | None = None


def plan_study(
    limit_seconds: float,
    training_seconds: float | None,
    trials: int | None,
    *,
    trains_network: bool,
    at_once: int = 1,
) -> TimePlan:
    """Plan a study.

    Args:
        limit_seconds: the time limit of the whole command.
        training_seconds: training.time_limit; None: it is not set.
        trials: largest number of trials; None: as many as fit.
        trains_network: whether the models are networks.
        at_once: number of trials that run at the same time.

    Raises:
        OutOfTimeError: no trial fits.
    """
    if not trains_network:
        return TimePlan()
    final = FINAL_SHARE * limit_seconds if training_seconds is None else training_seconds
    search = limit_seconds - final
    trial = min(final, search / math.ceil(min(trials or FULL_TRIALS, FULL_TRIALS) / at_once))
    if trial < SHORTEST_TRIAL_SECONDS:
        raise OutOfTimeError(
            f"no trial fits into --time-limit: {limit_seconds:g} s less {final:g} s for the last training leave "
            f"{max(trial, 0):.3g} s for a trial, and a trial of a network needs {SHORTEST_TRIAL_SECONDS:g} s at "
            "least; set a longer --time-limit"
        )
    return TimePlan(trial_seconds=trial, final_seconds=final)


def seconds_reserved(plan: TimePlan, longest_trial: float) -> tuple[float, float]:
    """Return the seconds that the next trial and the last training are expected to take.

    Args:
        plan: the plan.
        longest_trial: the longest time that a trial of an estimated model has taken; 0: none has ended.
    """
    trial = longest_trial if plan.trial_seconds is None else plan.trial_seconds
    final = longest_trial if plan.final_seconds is None else plan.final_seconds
    return trial, final
