import math
import signal

import pytest
from ended_trials import ended

from lmctl.config import read_settings
from lmctl.config.spaces import Dimension, Space
from lmctl.errors import InterruptedRunError, LmctlError, OutOfTimeError, UsageError
from lmctl.jobs.train.run import train
from lmctl.jobs.train.signals import Signals
from lmctl.jobs.tune.places import OnePlace
from lmctl.jobs.tune.plan import TimePlan
from lmctl.jobs.tune.trial_process import TrialEnd
from lmctl.jobs.watching.tuning_events import TrialEnded, TrialPoint

FAILED = TrialEnd(exit_code=1, message="training diverged")
ORDERS = Space(name="x", dimensions=(Dimension(path="model.order", kind="whole", low=1, high=20),))


def test_trials_run_as_long_as_another_one_and_the_last_training_fit(search, trials, clock):
    made, study, events = search(seconds=100.0)

    best = made.to_the_end()

    # Each takes 10 of 100 seconds, and 30 must be left for the next one with the last training.
    assert ended(events) == [(number, "done") for number in range(8)]
    # The orders are 1, 2, 3, 4, 1, ...; the longest n-grams are the best here, and the first of two equal trials.
    assert best.number == 3
    assert [event.best for event in events if isinstance(event, TrialEnded)] == [True] * 4 + [False] * 4
    assert study.best() == best
    # Nothing of the trials is left.
    assert not [*trials.commands[0].model.parent.iterdir()]


def test_a_trial_is_trained_alone_and_has_a_time_limit(search, trials, monkeypatch):
    written = []
    made, study, _ = search("training.with_ngram=true", most=1)

    def run(command, *_):
        written.append(read_settings([str(command.settings)]).explicit)
        return FAILED

    made._places = OnePlace(run)
    with pytest.raises(LmctlError, match=r"no trial was trained to its end \(1 failed\); .* training diverged"):
        made.to_the_end()

    (explicit,) = written
    (trial,) = study.trials()
    assert explicit == {
        "preset": "tiny",
        "model.embedding_dim": 4,
        "model.hidden_units": 4,
        "model.dropout": trial.values["model.dropout"],
        "training.with_ngram": False,
        "training.baseline": False,
        "training.time_limit": "10.0s",
    }


def test_a_curve_by_hand_is_cut_off(search, trials):
    trials.curves = {0: [100, 50], 1: [120, 1], 2: [90, 60], 3: [80, 40]}
    made, study, events = search(most=4)

    made.to_the_end()

    # Trial 1 is not in the better half of {100, 120}; trial 2 not in the better half of {50, 60}.
    assert ended(events) == [(0, "done"), (1, "cut"), (2, "cut"), (3, "done")]
    told = [(event.trial, event.point, event.perplexity) for event in events if isinstance(event, TrialPoint)]
    assert told == [(0, 1, 100), (0, 2, 50), (1, 1, 120), (2, 1, 90), (2, 2, 60), (3, 1, 80), (3, 2, 40)]
    assert [trial.perplexity for trial in study.trials()[1:3]] == [120, 60]


def test_a_point_of_a_model_that_fills_gaps_may_be_too_large_for_a_float(search):
    def run(command, is_to_be_cut, _):
        nats = 1000.0 if command.model.name == "0000" else 0.0
        event = {"event": "curve_point", "point": 1, "points": 4, "valid_masked_cross_entropy_nats": nats}
        is_to_be_cut(event)
        return FAILED

    made, _, events = search(most=2, places=OnePlace(run))

    with pytest.raises(LmctlError, match="no trial was trained to its end"):
        made.to_the_end()
    points = [event.perplexity for event in events if isinstance(event, TrialPoint)]
    assert points == [math.inf, 1.0]


def test_a_trial_whose_perplexity_is_infinite_fails(search, trials):
    """Without smoothing, n-grams that only the validation text has are impossible."""

    def run(command, *rest):
        if command.model.name != "0001":
            return trials(command, *rest)
        keys = ["model.family=ngram", "model.order=5", "model.smoothing=mle"]
        train([str(command.corpus)], command.model, read_settings(assignments=keys))
        return TrialEnd()

    made, study, events = search(most=3, places=OnePlace(run))

    best = made.to_the_end()

    assert ended(events) == [(0, "done"), (1, "failed"), (2, "done")]
    assert study.trials()[1].why == "its perplexity is infinite: a word of the validation text has probability 0"
    assert best.number == 2


def test_a_trial_that_fails_is_recorded_and_the_next_one_runs(search, trials):
    trials.ends = {0: FAILED, 2: TrialEnd(exit_code=-9, message="its process was killed by SIGKILL")}
    made, study, events = search(most=4)

    made.to_the_end()

    assert ended(events) == [(0, "failed"), (1, "done"), (2, "failed"), (3, "done")]
    assert [trial.why for trial in study.trials()] == [
        "training diverged",
        None,
        "its process was killed by SIGKILL",
        None,
    ]


def test_five_failures_in_a_row_end_the_study(search, trials):
    trials.ends = dict.fromkeys(range(1, 9), FAILED)
    made, _, events = search(seconds=1000.0)

    with pytest.raises(LmctlError, match="5 trials in a row failed, the last one with: training diverged"):
        made.to_the_end()
    assert len(ended(events)) == 6


def test_an_error_that_every_trial_would_meet_ends_the_study_with_its_exit_code(search, trials):
    trials.ends = {1: TrialEnd(exit_code=74, message="disk full")}
    made, study, _ = search()

    with pytest.raises(LmctlError, match="trial 1: disk full") as caught:
        made.to_the_end()
    assert caught.value.exit_code == 74
    # It is continued by the same command.
    assert [trial.number for trial in study.interrupted()] == [1]


def test_a_network_over_the_limit_is_not_trained(search, trials):
    # An embedding of 4 for V words; gates 4 * n * (4 + n + 1); tied, with a projection if n is not 4.
    space = Space(name="x", dimensions=(Dimension(path="model.hidden_units", kind="whole", low=1, high=100),))
    made, study, events = search(
        "model.layers=1", at_most=("parameters=3000",), space=space, seconds=200.0, most=5
    )
    made._settings = read_settings(assignments=["preset=tiny", "model.embedding_dim=4"])

    best = made.to_the_end()

    states = {trial.values["model.hidden_units"]: trial.state for trial in study.trials()}
    assert max(units for units, state in states.items() if state == "done") < min(
        units for units, state in states.items() if state == "too_large"
    )
    assert best.state == "done"
    assert len(trials.commands) == 5
    over = [event for event in events if isinstance(event, TrialEnded) and event.state == "too_large"]
    assert all(event.figures["parameters"] > 3000 and "parameters" in event.why for event in over)


def test_no_configuration_is_within_the_limit(search, trials):
    made, _, _ = search(at_most=("parameters=10",), seconds=10_000.0)

    with pytest.raises(
        UsageError,
        match=r"--at-most: 100 configurations in a row were over it; the least values were "
        r"parameters [0-9,]+ \(limit 10\)",
    ):
        made.to_the_end()
    assert trials.commands == []


def test_no_configuration_of_a_small_space_is_within_the_limit(search):
    # The network with one unit has the fewest parameters.
    space = Space(name="x", dimensions=(Dimension(path="model.hidden_units", kind="whole", low=1, high=2),))
    made, study, _ = search(at_most=("parameters=10",), space=space, seconds=10_000.0)

    with pytest.raises(UsageError) as caught:
        made.to_the_end()

    least = min(trial.figures["parameters"] for trial in study.trials())
    assert str(caught.value) == (
        "--at-most: 2 configurations of the space, which has no others, were over it; the least values were "
        f"parameters {least:,.0f} (limit 10)"
    )
    # A signal or a limit of trials leaves others to try.


def test_a_finished_model_over_the_limit_is_not_the_best(search, trials):
    # What is limited of n-grams is known only after they are counted. Those of order 1 to 4 have 25, 117, 327 and
    # 680 parameters; a larger order is better.
    made, study, _ = search(plan=TimePlan(), at_most=("parameters=200",), most=3, space=ORDERS)
    made._settings = read_settings(assignments=["model.family=ngram"])
    made._trains_network = False

    best = made.to_the_end()

    found = [(trial.figures["parameters"], trial.state) for trial in study.trials()]
    assert {*found} <= {(25, "done"), (117, "done"), (327, "too_large"), (680, "too_large")}
    assert {state for _, state in found} == {"done", "too_large"}
    assert best.perplexity == min(trial.perplexity for trial in study.trials() if trial.state == "done")
    assert best.perplexity > min(trial.perplexity for trial in study.trials())


def test_a_signal_ends_the_search_and_keeps_its_trial(search, trials):
    signals = Signals()
    made, study, events = search(signals=signals)

    def run(command, is_to_be_cut, is_over):
        assert not is_over()
        signals.record(signal.SIGTERM)
        assert is_over()
        return TrialEnd(was_stopped=True, exit_code=143, message="interrupted")

    made._places = OnePlace(run)
    with pytest.raises(InterruptedRunError, match="the same command continues the study") as caught:
        made.to_the_end()

    assert caught.value.exit_code == 128 + signal.SIGTERM
    assert ended(events) == []
    assert [trial.number for trial in study.interrupted()] == [0]


def test_a_trial_of_estimated_models_is_stopped_when_the_time_is_over(search, trials):
    made, _, _ = search(plan=TimePlan(), seconds=5.0, space=ORDERS)
    made._settings = read_settings(assignments=["model.family=ngram"])
    made._trains_network = False

    with pytest.raises(OutOfTimeError, match="--time-limit is over after 10 s of trial 0, and no trial has ended"):
        made.to_the_end()


def test_a_network_that_is_starved_does_not_take_the_time_of_the_others(search, trials, clock):
    made, study, events = search(seconds=200.0, most=2)
    run = trials.__call__

    def starved(command, is_to_be_cut, is_over):
        if command.model.name == "0000":
            clock.seconds += 15.0
            assert not is_over()
            clock.seconds += 0.1
            assert is_over()
            return TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
        return run(command, is_to_be_cut, is_over)

    made._places = OnePlace(starved)
    made.to_the_end()

    assert ended(events) == [(0, "failed"), (1, "done")]
    assert study.trials()[0].why == "not done after 1.5 times its 10 s"


def test_no_trial_fits_into_the_time(search, trials):
    made, _, _ = search(seconds=29.0)
    with pytest.raises(OutOfTimeError, match="a trial needs 10 s, and the last training 20 s; set a longer"):
        made.to_the_end()
    assert trials.commands == []


def test_trials_of_earlier_runs_count(search, trials):
    made, study, _ = search(most=2)
    made.to_the_end()
    study.close()

    made, study, events = search(most=3)
    made.to_the_end()

    assert ended(events) == [(2, "done")]
    assert len(study.trials()) == 3
