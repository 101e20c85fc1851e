"""Trials of a study at the same time, as on a cluster."""

import signal
from functools import partial

import pytest
from ended_trials import ended

from lmctl.config import read_settings
from lmctl.config.spaces import Dimension, Space
from lmctl.errors import InterruptedRunError
from lmctl.jobs.train.signals import Signals
from lmctl.jobs.tune.plan import TimePlan
from lmctl.jobs.tune.trial_process import TrialEnd
from lmctl.jobs.watching.tuning_events import TrialStarted

ORDERS = Space(name="x", dimensions=(Dimension(path="model.order", kind="whole", low=1, high=20),))


class SeveralPlaces:
    """Places for several trials, whose ends come in the order of a list.

    Args:
        trials: runs a trial in this process.
        most: number of places.
        ends: number of a trial, and its end; None: the end of the trial that is run.
    """

    def __init__(self, trials, most, ends):
        self._trials, self._most, self._ends = trials, most, list(ends)
        self._commands = {}
        self.at_once = []

    def has_room(self):
        return len(self._commands) < self._most

    def start(self, number, command):
        self._commands[number] = command
        self.at_once.append(sorted(self._commands))
        return f"worker-{len(self._commands)}"

    def wait(self, is_to_be_cut, is_over):
        number, end = self._ends.pop(0)
        command = self._commands.pop(number)
        return number, end or self._trials(command, partial(is_to_be_cut, number), partial(is_over, number))


LOST = TrialEnd(was_lost=True, has_killed=True, message="its worker tcp://10.0.0.2:1 died")
SILENT = TrialEnd(was_lost=True, message="its worker did not hear of this command for a while")


def test_as_many_trials_run_as_there_are_places(search, trials):
    places = SeveralPlaces(trials, 2, [(1, None), (0, None), (3, None), (2, None), (4, None)])
    plan = TimePlan(trial_seconds=100.0, final_seconds=20.0)
    made, _, events = search(places=places, most=5, seconds=1000.0, plan=plan)

    made.to_the_end()

    assert places.at_once == [[0], [0, 1], [0, 2], [2, 3], [2, 4]]
    assert ended(events) == [(1, "done"), (0, "done"), (3, "done"), (2, "done"), (4, "done")]
    started = [(event.trial, event.worker) for event in events if isinstance(event, TrialStarted)]
    assert started[:3] == [(0, "worker-1"), (1, "worker-2"), (2, "worker-2")]


def test_a_trial_whose_worker_dies_is_run_again_and_fails_at_the_third_death(search, trials):
    places = SeveralPlaces(
        trials, 2, [(0, LOST), (0, SILENT), (1, LOST), (1, None), (0, LOST), (0, LOST), (2, None)]
    )
    made, study, events = search(places=places, most=3, seconds=1000.0)

    made.to_the_end()

    assert ended(events) == [(1, "done"), (0, "failed"), (2, "done")]
    assert study.trials()[0].why == "3 workers died with it; the last: its worker tcp://10.0.0.2:1 died"
    begun = [(event.trial, event.continued) for event in events if isinstance(event, TrialStarted)]
    assert begun == [(0, False), (1, False), (0, True), (0, True), (1, True), (2, False), (0, True)]


def test_the_study_waits_if_all_workers_have_died(search, trials):
    places = SeveralPlaces(trials, 1, [(0, LOST), (0, None), (1, None)])
    wait, waits = places.wait, []

    def wait_for_workers(is_to_be_cut, is_over):
        if places._commands:
            ended = wait(is_to_be_cut, is_over)
            # No worker is left after the end of a trial; the third look finds another one.
            places._most = 0
            return ended
        waits.append(places._most)
        places._most = int(len(waits) % 3 == 0)
        return None

    places.wait = wait_for_workers
    made, _, events = search(places=places, most=2, seconds=1000.0)

    made.to_the_end()

    assert ended(events) == [(0, "done"), (1, "done")]
    assert waits == [0] * 6


def test_trials_at_the_same_time_are_cut_off_by_each_others_curves(search, trials):
    trials.curves = {0: [100, 50], 1: [120, 1], 2: [90, 60]}
    places = SeveralPlaces(trials, 3, [(0, None), (1, None), (2, None)])
    made, _, events = search(places=places, most=3)

    made.to_the_end()

    assert ended(events) == [(0, "done"), (1, "cut"), (2, "cut")]


def test_a_signal_ends_all_trials_and_keeps_those_that_were_not_cut(search, trials):
    signals = Signals()
    stopped = TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
    places = SeveralPlaces(trials, 3, [])
    made, study, events = search(places=places, signals=signals)
    ends = iter([(1, TrialEnd(was_cut=True)), (0, stopped), (2, stopped)])

    def wait(is_to_be_cut, is_over):
        signals.record(signal.SIGINT)
        number, end = next(ends)
        del places._commands[number]
        return number, end

    places.wait = wait
    with pytest.raises(InterruptedRunError, match="the same command continues the study"):
        made.to_the_end()

    assert ended(events) == [(1, "cut")]
    assert [trial.number for trial in study.interrupted()] == [0, 2]


def test_all_interrupted_trials_are_continued_first(search, trials):
    signals = Signals()
    stopped = TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
    places = SeveralPlaces(trials, 2, [(1, stopped), (0, stopped)])
    made, study, _ = search(places=places, signals=signals)
    places.start = lambda number, command, start=places.start: (
        start(number, command),
        signals.record(signal.SIGTERM) if number else None,
    )[0]
    with pytest.raises(InterruptedRunError):
        made.to_the_end()
    study.close()

    made, study, events = search(most=3)
    made.to_the_end()

    begun = [(event.trial, event.continued) for event in events if isinstance(event, TrialStarted)]
    assert begun == [(0, True), (1, True), (2, False)]
    assert ended(events) == [(0, "done"), (1, "done"), (2, "done")]


def test_estimated_trials_that_are_stopped_at_the_end_leave_the_best(search, trials, clock):
    stopped = TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
    places = SeveralPlaces(trials, 2, [(0, stopped), (1, None)])
    made, study, _ = search(plan=TimePlan(), seconds=5.0, space=ORDERS, places=places)
    made._settings = read_settings(assignments=["model.family=ngram"])
    made._trains_network = False
    # The time is over for both, but the second one ends before it hears of that.
    places.wait = lambda cut, _, wait=places.wait: setattr(clock, "seconds", 1010.0) or wait(cut, lambda _: False)

    assert made.to_the_end().number == 1
    assert [trial.number for trial in study.interrupted()] == [0]
