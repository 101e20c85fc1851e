import pytest

from lmctl.errors import OutOfTimeError
from lmctl.jobs.tune.plan import TimePlan, plan_study, seconds_reserved


@pytest.mark.parametrize(
    ("limit", "training", "trials", "trial", "final"),
    [
        # A quarter for the last training, and six trials of the rest.
        (2400, None, None, 300, 600),
        (2400, None, 100, 300, 600),
        # Fewer trials may be longer, but not longer than the last training.
        (2400, None, 4, 450, 600),
        (2400, None, 1, 600, 600),
        # 3600 less 600 are 3000; a sixth of them.
        (3600, 600, None, 500, 600),
        (7200, 600, None, 600, 600),
    ],
)
def test_the_plan_of_a_network(limit, training, trials, trial, final):
    plan = plan_study(limit, training, trials, trains_network=True)
    assert plan == TimePlan(trial_seconds=trial, final_seconds=final)
    assert seconds_reserved(plan, 999.0) == (trial, final)


def test_models_that_are_estimated_take_as_long_as_the_longest_one():
    plan = plan_study(60, None, None, trains_network=False)
    assert plan == TimePlan()
    assert seconds_reserved(plan, 7.0) == (7.0, 7.0)


@pytest.mark.parametrize(
    ("at_once", "trials", "trial"),
    [
        # A quarter of 4800 s is for the last training. In the rest, six trials come in three rounds of two, two
        # rounds of three or four, or one round.
        (1, None, 600),
        (2, None, 1200),
        (2, 3, 1200),
        (2, 4, 1200),
        (3, None, 1200),
        (6, None, 1200),
        (99, None, 1200),
    ],
)
def test_the_plan_of_trials_at_the_same_time(at_once, trials, trial):
    plan = plan_study(4800, None, trials, trains_network=True, at_once=at_once)
    assert plan == TimePlan(trial_seconds=trial, final_seconds=1200)
    longer = plan_study(4800, 2400, trials, trains_network=True, at_once=at_once)
    # The last training has half of the time, and the rounds share 2400 s.
    rounds = {(1, None): 6, (2, None): 3, (2, 3): 2, (2, 4): 2, (3, None): 2, (6, None): 1, (99, None): 1}
    assert longer.trial_seconds == 2400 / rounds[at_once, trials]


@pytest.mark.parametrize(
    ("limit", "training", "left"), [(100, None, "12.5 s"), (600, 590, "1.67 s"), (600, 900, "0 s")]
)
def test_a_time_limit_that_no_trial_fits_into(limit, training, left):
    with pytest.raises(OutOfTimeError) as caught:
        plan_study(limit, training, None, trains_network=True)
    assert f"leave {left} for a trial, and a trial of a network needs 20 s at least" in str(caught.value)
