"""The search: trials, as many at once as there are places for them, until the time for them is over."""

from __future__ import annotations

import logging
import math
import shutil
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl import files
from lmctl.config import Settings, settings_to_yaml
from lmctl.errors import LmctlError, OutOfTimeError, UsageError
from lmctl.jobs.tune.outcome import compared_perplexity, error_of, none_within, nothing_done, over_limits
from lmctl.jobs.tune.plan import seconds_reserved
from lmctl.jobs.tune.study import CURVE_POINTS
from lmctl.jobs.tune.trial_process import TrialCommand
from lmctl.jobs.watching.tuning_events import TrialEnded, TrialPoint, TrialStarted
from lmctl.perplexity import perplexity_of
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.jobs.train.signals import Signals
    from lmctl.jobs.tune.folder import StudyRecord, TuningFolder
    from lmctl.jobs.tune.places import Places
    from lmctl.jobs.tune.study import Study, Trial
    from lmctl.jobs.tune.trial_process import TrialEnd
    from lmctl.jobs.watching.tuning_events import OnTuningEvent, TrialState

logger = logging.getLogger(__name__)

# A trial that fails with this exit code failed because of its values: training diverged, or memory was short. A
# process that was killed has a negative code. Any other code would come again in every trial.
FAILED_BY_ITS_VALUES = 1
# Trials in a row that may fail, and that may be over a limit, before the study gives up.
MOST_FAILURES, MOST_TOO_LARGE = 5, 100
# If so many workers die with a trial, it has failed: its network may need more memory than there is.
MOST_DEATHS = 3
# A network keeps to its time limit as long as nothing starves it: compiling cannot be cut short. After this
# multiple of the limit it is ended, so that it does not take the time of the other trials.
LONGEST_OVERRUN = 1.5
# Settings of a trial: it is compared by itself, so nothing is mixed in, and it publishes for itself alone.
OF_TRIALS: dict[str, object] = {
    "training.baseline": False,
    "training.with_ngram": False,
}


@dataclass(frozen=True, slots=True)
class _Running:
    """A trial that runs, and the time when it began."""

    trial: Trial
    began: float


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
        places: where trials run.
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
        places: Places,
    ) -> None:
        self._study, self._record, self._folder, self._corpus = study, record, folder, corpus
        self._settings, self._deadline, self._most_trials = settings, deadline, most_trials
        self._signals, self._tell, self._places = signals, on_event, places
        self._trains_network = settings.family.trains_network
        self._longest = max((trial.seconds for trial in study.trials() if trial.state == "done"), default=0.0)
        self._failures = self._too_large = 0
        # Trials that are to be continued, the next one first; and those that run, by number.
        self._waiting: deque[Trial] = deque()
        self._running: dict[int, _Running] = {}
        self._deaths: Counter[int] = Counter()
        self._is_exhausted = False
        self._out_of_time: OutOfTimeError | None = None

    def to_the_end(self) -> Trial:
        """Run trials until the time is over, and return the best of the study.

        Raises:
            OutOfTimeError: the time was over before the first trial began or ended.
            InterruptedRunError: a signal has arrived.
            LmctlError: every trial fails, or none is within the limits.
        """
        self._waiting.extend(self._study.interrupted())
        self._folder.sweep([trial.number for trial in self._waiting])
        while True:
            self._begin_others()
            if not self._running and not self._waits_for_room():
                break
            if (ended := self._places.wait(self._is_cut, self._must_stop)) is not None:
                self._ended(*ended)
        self._signals.raise_if_received("continues the study")
        best = self._study.best()
        if best is not None:
            return best
        raise self._out_of_time or nothing_done(
            self._record.limits,
            self._study.trials(),
            self._record.plan,
            self._longest,
            is_exhausted=self._is_exhausted,
        )

    def _begin_others(self) -> None:
        """Begin trials as long as there is room for them, and time."""
        while not self._signals.received() and self._places.has_room() and self._fits():
            continued = bool(self._waiting)
            trial = self._waiting.popleft() if continued else self._next()
            if trial is None:
                break
            self._begin(trial, continued=continued)

    def _waits_for_room(self) -> bool:
        """Whether a trial would begin now if there were room: all workers of a cluster may have died."""
        has_next = bool(self._waiting) or not self._is_exhausted
        return has_next and not self._signals.received() and self._fits() and not self._places.has_room()

    def _next(self) -> Trial | None:
        """The next configuration, as a trial; None if the space has no other."""
        if self._is_exhausted:
            return None
        trial = self._study.next()
        if trial is None:
            self._is_exhausted = True
            logger.info("the space has no other configuration")
        return trial

    def _fits(self) -> bool:
        """Whether another trial may begin."""
        begun = len(self._running) + len([each for each in self._study.trials() if each.state != "too_large"])
        if self._most_trials is not None and begun >= self._most_trials:
            return False
        return self._deadline.left() >= sum(seconds_reserved(self._record.plan, self._longest))

    def _begin(self, trial: Trial, *, continued: bool) -> None:
        """Begin one trial; one that needs no training ends at once."""
        began = self._deadline.clock()
        settings = trial_settings(self._settings, trial.values, self._record.plan.trial_seconds)
        try:
            config = settings.resolve(self._corpus.record.train.tokens)
        except UsageError as error:
            self._tell(TrialStarted(trial=trial.number, values=trial.values, continued=continued))
            self._end(trial, "failed", began, why=str(error))
            return
        figures = self._record.limits.of_configured(self._corpus, config)
        if self._is_over(figures):
            self._tell(TrialStarted(trial=trial.number, values=trial.values, continued=continued))
            self._end(trial, "too_large", began, figures=figures)
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
        self._running[trial.number] = _Running(trial, began)
        worker = self._places.start(trial.number, command)
        self._tell(TrialStarted(trial=trial.number, values=trial.values, continued=continued, worker=worker))

    def _ended(self, number: int, end: TrialEnd) -> None:
        """Record how a trial ended, unless it is to be continued."""
        running = self._running.pop(number)
        trial, began = running.trial, running.began
        if self._signals.received() and not end.was_cut:
            # The same command continues it.
            return
        if end.was_cut:
            self._end(trial, "cut", began)
        elif end.was_lost:
            self._deaths[number] += end.has_killed
            if self._deaths[number] < MOST_DEATHS:
                logger.warning("trial %d: %s; the trial is continued", number, end.message)
                self._waiting.appendleft(trial)
                return
            self._end(trial, "failed", began, why=f"{MOST_DEATHS} workers died with it; the last: {end.message}")
        elif end.was_stopped and self._trains_network:
            limit = self._record.plan.trial_seconds or 0.0
            self._end(trial, "failed", began, why=f"not done after {LONGEST_OVERRUN:g} times its {limit:.0f} s")
        elif end.was_stopped:
            # The trial continues if the study does.
            self._out_of_time = OutOfTimeError(
                f"--time-limit is over after {self._deadline.clock() - began:.0f} s of trial {number}, and no "
                "trial has ended; the study is kept, and the same command continues it; set a longer --time-limit"
            )
            return
        elif end.exit_code > FAILED_BY_ITS_VALUES:
            raise error_of(end, number)
        elif end.exit_code:
            self._end(trial, "failed", began, why=end.message)
        else:
            self._finished(trial, began)
        shutil.rmtree(self._folder.trial(number), ignore_errors=True)
        self._folder.settings_file(number).unlink(missing_ok=True)

    def _must_stop(self, number: int) -> bool:
        """Whether a trial is ended for another reason than its curve."""
        if self._signals.received():
            return True
        began = self._running[number].began
        limit = self._record.plan.trial_seconds
        if limit is not None:
            return self._deadline.clock() - began > LONGEST_OVERRUN * limit
        _, final = seconds_reserved(self._record.plan, self._longest)
        return self._deadline.left() < final

    def _is_cut(self, number: int, event: Mapping[str, Any]) -> bool:
        """Record a point of the curve that an event is, and return whether halving ends the trial."""
        trial = self._running[number].trial
        if event.get("event") != "curve_point" or event["point"] in trial.points:
            return False
        nats, perplexity = event.get("valid_masked_cross_entropy_nats"), event.get("valid_perplexity")
        if perplexity is None and nats is not None:
            perplexity = perplexity_of(nats)
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
        perplexity = compared_perplexity(bundle, self._corpus)
        if perplexity is None:
            self._end(trial, "failed", began, why="none of its validation text was scored")
            return
        if math.isinf(perplexity):
            why = "its perplexity is infinite: a word of the validation text has probability 0"
            self._end(trial, "failed", began, why=why)
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
            why = over_limits(limits, found)
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
            raise none_within(limits, self._study.trials(), self._too_large)


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
