import pytest

from lmctl.config import TrainingConfig
from lmctl.training.checkpoint import Progress
from lmctl.training.schedule import Schedule

SCHEDULES = ["constant", "plateau", "linear", "cosine"]


def make_schedule(name, *, warmup_steps=0, decay_factor=4.0, patience=2):
    return Schedule(
        TrainingConfig(
            schedule=name,
            learning_rate=8.0,
            warmup_steps=warmup_steps,
            decay_factor=decay_factor,
            patience=patience,
        ),
        Progress(),
    )


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("constant", [8.0, 8.0, 8.0, 8.0, 8.0]),
        ("plateau", [8.0, 8.0, 8.0, 8.0, 8.0]),
        ("linear", [8.0, 6.0, 4.0, 2.0, 0.0]),
        # 8 * (1 + cos(pi * share done)) / 2, at shares 0, 1/4, 1/2, 3/4 and 1; cos(pi/4) = 0.70711.
        ("cosine", [8.0, 6.82843, 4.0, 1.17157, 0.0]),
    ],
)
def test_learning_rate_at_each_quarter_of_training(name, rates):
    schedule = make_schedule(name)

    found = [schedule.learning_rate(step, step / 4) for step in range(5)]

    assert found == pytest.approx(rates, abs=1e-5)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_beyond_the_plan_the_rate_stays_at_zero(name):
    assert make_schedule(name).learning_rate(4, 1.0001) == 0.0


def test_the_rate_rises_in_equal_steps_to_its_full_size_at_the_last_step_of_the_warm_up():
    schedule = make_schedule("constant", warmup_steps=4)

    assert [schedule.learning_rate(step, 0.0) for step in range(6)] == [2.0, 4.0, 6.0, 8.0, 8.0, 8.0]


@pytest.mark.parametrize("warmup_steps", [0, 1])
def test_without_a_warm_up_the_first_step_has_the_full_rate(warmup_steps):
    assert make_schedule("constant", warmup_steps=warmup_steps).learning_rate(0, 0.0) == 8.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warm_up_takes_its_share_of_what_the_schedule_says(name):
    warm, cold = make_schedule(name, warmup_steps=10), make_schedule(name)

    # The third of ten steps.
    assert warm.learning_rate(2, 0.25) == pytest.approx(0.3 * cold.learning_rate(2, 0.25))


def test_plateau_divides_the_rate_after_every_epoch_that_did_not_improve():
    schedule = make_schedule("plateau", decay_factor=4.0, patience=9)
    rates = []
    for cross_entropy in (3.0, 2.0, 2.0, 1.9, 2.5, 2.4):
        schedule.epoch_done(cross_entropy)
        rates.append(schedule.learning_rate(100, 0.5))

    # An equal cross-entropy is no improvement. A better one later does not restore the old rate.
    assert rates == [8.0, 8.0, 2.0, 2.0, 0.5, 0.125]


def test_plateau_ends_at_rate_zero_after_very_many_epochs():
    """4 ** 1000 is no floating-point number."""
    schedule = make_schedule("plateau", decay_factor=4.0, patience=5000)
    for _ in range(1001):
        schedule.epoch_done(1.0)

    assert schedule.learning_rate(100, 0.5) == 0.0


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_other_schedules_do_not_look_at_validation(name):
    watched, unwatched = make_schedule(name), make_schedule(name)
    watched.epoch_done(1.0)
    watched.epoch_done(2.0)

    assert watched.learning_rate(9, 0.4) == unwatched.learning_rate(9, 0.4)


@pytest.mark.parametrize(
    ("patience", "ends"),
    [
        (1, [False, True, False, True, True]),
        (2, [False, False, False, False, True]),
        (3, [False, False, False, False, False]),
    ],
)
def test_patience_is_at_its_end_after_that_many_epochs_in_a_row_without_improvement(patience, ends):
    schedule = make_schedule("constant", patience=patience)

    found = []
    for nats in (3.0, 3.5, 2.0, 2.5, 2.0):
        schedule.epoch_done(nats)
        found.append(schedule.is_out_of_patience)
    assert found == ends


def test_the_best_epochs_are_those_below_all_before():
    schedule = make_schedule("plateau", patience=9)

    assert [schedule.epoch_done(nats) for nats in (3.0, 3.5, 2.0, 2.0, 1.0)] == [True, False, True, False, True]


def test_a_part_of_the_text_is_compared_with_the_same_part_of_the_best_epoch():
    schedule = make_schedule("plateau", patience=9)
    schedule.epoch_done(1.0)

    # The part is harder than the whole text, of which the best epoch has 1 nat.
    assert not schedule.epoch_done(2.0, best_on_part=2.0)
    assert schedule.epoch_done(1.9, best_on_part=2.0)


def test_without_validation_every_epoch_is_the_best_and_patience_never_ends():
    schedule = make_schedule("plateau", patience=1)

    assert [schedule.epoch_done(None) for _ in range(3)] == [True] * 3
    assert not schedule.is_out_of_patience
    assert schedule.learning_rate(3, 0.3) == 8.0


@pytest.mark.parametrize(
    ("planned", "rates"), [(8, [4.0, 8.0, 8.0]), (2, [8.0, 8.0, 8.0]), (400, [2.0, 4.0, 6.0])]
)
def test_a_short_plan_shortens_the_warm_up_to_a_quarter_of_its_steps(planned, rates):
    schedule = make_schedule("constant", warmup_steps=4)

    assert [schedule.learning_rate(step, 0.0, planned) for step in range(3)] == rates
