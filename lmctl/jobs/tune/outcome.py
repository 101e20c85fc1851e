"""What came of trials: the figure by which they compare, and the errors if nothing can come of a study."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError, OutOfTimeError, UsageError
from lmctl.jobs.train.validating import score_valid
from lmctl.jobs.tune.limits import shown
from lmctl.jobs.tune.plan import seconds_reserved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.tune.limits import Limits
    from lmctl.jobs.tune.plan import TimePlan
    from lmctl.jobs.tune.study import Trial
    from lmctl.jobs.tune.trial_process import TrialEnd
    from lmctl.store.bundle import Bundle

_NOUNS = {"parameters": "parameters", "bytes": "", "p50": "for a query"}


def compared_perplexity(bundle: Bundle, corpus: PreparedCorpus) -> float | None:
    """The perplexity of a finished trial on the whole validation text, or its pseudo-perplexity.

    Args:
        bundle: the model that the trial published.
        corpus: the corpus that it was trained on.

    Returns:
        The figure, infinite if a word is impossible; None if the time of the trial was over before any of the text
        was scored.
    """
    metrics = bundle.metrics()
    of_gaps = metrics.get("valid_gaps")
    if of_gaps is not None:
        return _read(of_gaps["pseudo_perplexity"])
    valid = metrics.get("valid")
    if valid is None:
        return None
    if valid["tokens"] < len(corpus.valid):
        # The time of the trial was over before all was scored, and the parts of two trials do not compare.
        scores = score_valid(bundle, corpus, bundle.config())
        return None if scores is None else scores.perplexity
    return _read(valid["perplexity"])


def _read(figure: float | None) -> float:
    """A perplexity as metrics.json has it, where an infinite one is null."""
    return math.inf if figure is None else float(figure)


def over_limits(limits: Limits, figures: Mapping[str, float]) -> str:
    """The figures that exceed a limit, for a message: `1,234 parameters`."""
    over = [name for name, share in limits.excess(dict(figures)).items() if share > 0]
    return ", ".join(f"{shown(name, figures[name])} {_NOUNS[name]}".strip() for name in over)


def none_within(limits: Limits, trials: Sequence[Trial], number: int, of: str = "in a row") -> UsageError:
    """The error if very many configurations in a row are over a limit, or all of a space."""
    bounds, figures = limits.values(), [trial.figures for trial in trials]
    least = {name: min(each[name] for each in figures if name in each) for name in bounds}
    values = ", ".join(
        f"{name} {shown(name, value)} (limit {shown(name, bounds[name])})" for name, value in least.items()
    )
    return UsageError(f"--at-most: {number} configurations {of} were over it; the least values were {values}")


def nothing_done(
    limits: Limits, trials: Sequence[Trial], plan: TimePlan, longest_trial: float, *, is_exhausted: bool
) -> LmctlError:
    """The error for a search after which no trial was trained to its end.

    Args:
        limits: the limits of the study.
        trials: those that have ended.
        plan: the plan of the study.
        longest_trial: see `seconds_reserved`.
        is_exhausted: whether the space has no other configuration, so that nothing is left to continue.
    """
    if is_exhausted and trials and all(trial.state == "too_large" for trial in trials):
        return none_within(limits, trials, len(trials), "of the space, which has no others,")
    if trials:
        counts = ", ".join(f"{number} {state}" for state, number in Counter(each.state for each in trials).items())
        why = next((f"; the last message: {each.why}" for each in reversed(trials) if each.why), "")
        return LmctlError(f"no trial was trained to its end ({counts}); the same command continues the study{why}")
    trial_seconds, final_seconds = seconds_reserved(plan, longest_trial)
    if not trial_seconds:
        return OutOfTimeError(
            "--time-limit is over before a trial began; the same command continues the study; set a longer "
            "--time-limit"
        )
    return OutOfTimeError(
        f"no trial fits into --time-limit: a trial needs {trial_seconds:.0f} s, and the last training "
        f"{final_seconds:.0f} s; set a longer --time-limit"
    )


def error_of(end: TrialEnd, number: int) -> LmctlError:
    """The error of a trial that every other one would meet, too, with its exit code."""
    error = LmctlError(f"trial {number}: {end.message}")
    error.exit_code = end.exit_code
    return error
