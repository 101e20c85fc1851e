"""The search: trials one after the other, until the time for them is over."""

from __future__ import annotations

import logging
import math
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.config import Settings, settings_to_yaml
from lmctl.errors import LmctlError, OutOfTimeError, UsageError
from lmctl.jobs.train.validating import score_valid
from lmctl.jobs.tune.limits import shown
from lmctl.jobs.tune.plan import seconds_reserved
from lmctl.jobs.tune.study import CURVE_POINTS
from lmctl.jobs.tune.trial_process import TrialCommand
from lmctl.jobs.watching.tuning_events import TrialEnded, TrialPoint, TrialStarted
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.signals import Signals
    from lmctl.jobs.tune.folder import StudyRecord, TuningFolder
    from lmctl.jobs.tune.study import Study, Trial
    from lmctl.jobs.tune.trial_process import TrialEnd
    from lmctl.jobs.watching.tuning_events import OnTuningEvent, TrialState

    RunTrial = Callable[[TrialCommand, Callable[[dict[str, Any]], bool], Callable[[], bool]], TrialEnd]

logger = logging.getLogger(__name__)

# A trial that fails with this exit code failed because of its values: training diverged, or memory was short. A
# process that was killed has a negative code. Any other code would come again in every trial.
FAILED_BY_ITS_VALUES = 1
# Trials in a row that may fail, and that may be over a limit, before the study gives up.
MOST_FAILURES, MOST_TOO_LARGE = 5, 100
# A network keeps to its time limit as long as nothing starves it: compiling cannot be cut short. After this
# multiple of the limit it is ended, so that it does not take the time of the other trials.
LONGEST_OVERRUN = 1.5
# Settings of a trial: it is compared by itself, so nothing is mixed in, and it publishes for itself alone.
OF_TRIALS: dict[str, object] = {
    "training.baseline": False,
    "training.with_ngram": False,
}


class Search:
    """Runs trials.

    Args:
        study: the trials so far.
        record: what the study is of.
        folder: its folder.
        corpus: the prepared text.
        settings: those of the user, without the keys that preparation has applied.
        deadline: end of the time for trials and the last training.
        most_trials: largest number of trials of the study; None: as many as fit.
        signals: the signals that end the run.
        on_event: receives the events.
        run: runs a trial.
    """

    def __init__(
        self,
        study: Study,
        record: StudyRecord,
        folder: TuningFolder,
        corpus: PreparedCorpus,
        settings: Settings,
        deadline: Deadline,
        most_trials: int | None,
        signals: Signals,
        on_event: OnTuningEvent,
        run: RunTrial,
    ) -> None:
        self._study, self._record, self._folder, self._corpus = study, record, folder, corpus
        self._settings, self._deadline, self._most_trials = settings, deadline, most_trials
        self._signals, self._tell, self._run = signals, on_event, run
        self._trains_network = settings.family.trains_network
        self._longest = max((trial.seconds for trial in study.trials() if trial.state == "done"), default=0.0)
        self._failures = self._too_large = 0

    def to_the_end(self) -> Trial:
        """Run trials until the time is over, and return the best of the study.

        Raises:
            OutOfTimeError: the time was over before the first trial began or ended.
            InterruptedRunError: a signal has arrived.
            LmctlError: every trial fails, or none is within the limits.
        """
        interrupted = self._study.interrupted()
        self._folder.sweep(None if interrupted is None else interrupted.number)
        while self._fits():
            trial = self._study.interrupted()
            continued = trial is not None
            trial = trial or self._study.next()
            if trial is None:
                logger.info("the space has no other configuration")
                break
            self._one(trial, continued=continued)
        best = self._study.best()
        if best is not None:
            return best
        raise self._nothing_done()

    def _nothing_done(self) -> LmctlError:
        """The error for a search after which no trial was trained to its end."""
        trials = self._study.trials()
        if trials:
            counts = ", ".join(
                f"{number} {state}" for state, number in Counter(each.state for each in trials).items()
            )
            why = next((f"; the last message: {each.why}" for each in reversed(trials) if each.why), "")
            return LmctlError(
                f"no trial was trained to its end ({counts}); the same command continues the study{why}"
            )
        trial_seconds, final_seconds = seconds_reserved(self._record.plan, self._longest)
        if not trial_seconds:
            return OutOfTimeError(
                "--time-limit is over before a trial began; the same command continues the study; set a longer "
                "--time-limit"
            )
        return OutOfTimeError(
            f"no trial fits into --time-limit: a trial needs {trial_seconds:.0f} s, and the last training "
            f"{final_seconds:.0f} s; set a longer --time-limit"
        )

    def _fits(self) -> bool:
        """Whether another trial may begin."""
        decided = [trial for trial in self._study.trials() if trial.state != "too_large"]
        if self._most_trials is not None and len(decided) >= self._most_trials:
            return False
        return self._deadline.left() >= sum(seconds_reserved(self._record.plan, self._longest))

    def _one(self, trial: Trial, *, continued: bool) -> None:
        """Run one trial, and record its end."""
        clock = self._deadline.clock
        began = clock()
        self._tell(TrialStarted(trial=trial.number, values=trial.values, continued=continued))
        settings = trial_settings(self._settings, trial.values, self._record.plan.trial_seconds)
        try:
            config = settings.resolve(self._corpus.record.train.tokens)
        except UsageError as error:
            self._end(trial, "failed", began, why=str(error))
            return
        before = self._record.limits.of_configured(self._corpus, config)
        if self._is_over(before):
            self._end(trial, "too_large", began, figures=before)
            return
        place, settings_file = self._folder.trial(trial.number), self._folder.settings_file(trial.number)
        files.make_folder(place.parent)
        files.write_text(settings_file, settings_to_yaml(settings.explicit))
        command = TrialCommand(
            corpus=self._corpus.folder,
            model=place,
            settings=settings_file,
            curve_points=CURVE_POINTS if self._trains_network else 0,
        )
        end = self._run(command, lambda event: self._is_cut(trial, event), lambda: self._must_stop(began))
        self._signals.raise_if_received("continues the study")
        if end.was_stopped and self._trains_network:
            limit = self._record.plan.trial_seconds or 0.0
            self._end(trial, "failed", began, why=f"not done after {LONGEST_OVERRUN:g} times its {limit:.0f} s")
        elif end.was_stopped:
            # The trial continues if the study does.
            if self._study.best() is None:
                raise OutOfTimeError(
                    f"--time-limit is over after {clock() - began:.0f} s of trial {trial.number}, and no trial "
                    "has ended; the study is kept, and the same command continues it; set a longer --time-limit"
                )
            return
        elif end.was_cut:
            self._end(trial, "cut", began)
        elif end.exit_code:
            if end.exit_code > FAILED_BY_ITS_VALUES:
                raise _error_of(end, trial.number)
            self._end(trial, "failed", began, why=end.message)
        else:
            self._finished(trial, began)
        shutil.rmtree(place, ignore_errors=True)
        settings_file.unlink(missing_ok=True)

    def _must_stop(self, began: float) -> bool:
        """Whether the trial that began at this time is ended for another reason than its curve."""
        if self._signals.received():
            return True
        limit = self._record.plan.trial_seconds
        if limit is not None:
            return self._deadline.clock() - began > LONGEST_OVERRUN * limit
        _, final = seconds_reserved(self._record.plan, self._longest)
        return self._deadline.left() < final

    def _is_cut(self, trial: Trial, event: Mapping[str, Any]) -> bool:
        """Record a point of the curve that an event is, and return whether halving ends the trial."""
        if event.get("event") != "curve_point" or event["point"] in trial.points:
            return False
        nats, perplexity = event.get("valid_masked_cross_entropy_nats"), event.get("valid_perplexity")
        if perplexity is None and nats is not None:
            perplexity = math.exp(nats)
        # JSON has no infinite number.
        perplexity = math.inf if perplexity is None else perplexity
        point, points = event["point"], event["points"]
        self._tell(TrialPoint(trial=trial.number, point=point, points=points, perplexity=perplexity))
        return self._study.report(trial, point, perplexity)

    def _finished(self, trial: Trial, began: float) -> None:
        """Record a trial that was trained to its end: within the limits, or not."""
        current = ModelFolder(self._folder.trial(trial.number)).current()
        if current is None:
            self._end(trial, "failed", began, why="it published nothing")
            return
        bundle = open_bundle(current)
        metrics = bundle.metrics()
        of_gaps = metrics.get("valid_gaps")
        if of_gaps is not None:
            perplexity = of_gaps["pseudo_perplexity"]
        else:
            valid = metrics.get("valid")
            perplexity = None if valid is None else valid["perplexity"]
            if valid is not None and valid["tokens"] < len(self._corpus.valid):
                # The time of the trial was over before all was scored, and the parts of two trials do not compare.
                scores = score_valid(bundle, self._corpus, bundle.config())
                perplexity = None if scores is None else scores.perplexity
        if perplexity is None:
            self._end(trial, "failed", began, why="none of its validation text was scored")
            return
        figures = self._record.limits.of_finished(bundle, self._corpus)
        state: TrialState = "too_large" if self._is_over(figures) else "done"
        self._end(trial, state, began, perplexity=perplexity, figures=figures)

    def _is_over(self, figures: Mapping[str, float]) -> bool:
        return any(share > 0 for share in self._record.limits.excess(dict(figures)).values())

    def _end(
        self,
        trial: Trial,
        state: TrialState,
        began: float,
        *,
        perplexity: float | None = None,
        why: str | None = None,
        figures: Mapping[str, float] | None = None,
    ) -> None:
        """Record the end of a trial, tell it, and give up if nothing can come of the study."""
        limits, found = self._record.limits, dict(figures or {})
        excess = limits.excess(found)
        if state == "too_large":
            over = [name for name, share in excess.items() if share > 0]
            why = ", ".join(f"{shown(name, found[name])} {_NOUNS[name]}".strip() for name in over)
        seconds = self._deadline.clock() - began
        best = self._study.best()
        ended = self._study.end(
            trial, state, perplexity=perplexity, seconds=seconds, why=why, figures=found, excess=excess
        )
        if state == "done":
            self._longest = max(self._longest, seconds)
        is_best = state == "done" and (best is None or (ended.perplexity or 0) < (best.perplexity or 0))
        self._tell(
            TrialEnded(
                trial=trial.number,
                state=state,
                perplexity=ended.perplexity,
                best=is_best,
                seconds=seconds,
                why=why,
                figures=found,
            )
        )
        self._failures = self._failures + 1 if state == "failed" else 0
        self._too_large = self._too_large + 1 if state == "too_large" else 0
        if self._failures >= MOST_FAILURES:
            raise LmctlError(f"{MOST_FAILURES} trials in a row failed, the last one with: {why}")
        if self._too_large >= MOST_TOO_LARGE and self._study.best() is None:
            raise UsageError(
                f"--at-most: {self._too_large} configurations in a row were over it; {self._smallest()}"
            )

    def _smallest(self) -> str:
        """The least figures of all trials, for a message."""
        trials = [trial.figures for trial in self._study.trials()]
        limits = self._record.limits.values()
        least = {name: min(each[name] for each in trials if name in each) for name in limits}
        return "the least values were " + ", ".join(
            f"{name} {shown(name, value)} (limit {shown(name, limits[name])})" for name, value in least.items()
        )


_NOUNS = {"parameters": "parameters", "bytes": "", "p50": "for a query"}


def trial_settings(settings: Settings, values: Mapping[str, object], seconds: float | None) -> Settings:
    """The settings of a trial.

    Args:
        settings: those of the user.
        values: the values of the keys that vary.
        seconds: time limit of the trial; None: its family has none.
    """
    explicit = {**settings.explicit, **values}
    if seconds is None:
        return Settings(explicit)
    return Settings({**explicit, **OF_TRIALS, "training.time_limit": time_text(seconds)})


def time_text(seconds: float) -> str:
    """A time as a configuration has it, to a tenth of a second."""
    return f"{seconds:.1f}s"


def _error_of(end: TrialEnd, number: int) -> LmctlError:
    error = LmctlError(f"trial {number}: {end.message}")
    error.exit_code = end.exit_code
    return error
