import pytest

from lmctl.config import TrainingConfig
from lmctl.training.schedule import Schedule


def make_schedule(name, **training):
    return Schedule(TrainingConfig(schedule=name, learning_rate=8.0, epochs=4, **training))


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
def test_learning_rate_after_each_of_four_epochs(name, rates):
    schedule = make_schedule(name)

    assert [schedule.learning_rate(epochs_done) for epochs_done in range(5)] == pytest.approx(rates, abs=1e-5)


def test_a_part_of_an_epoch_counts_as_such():
    assert make_schedule("linear").learning_rate(2.5) == pytest.approx(3.0)


def test_the_rate_never_falls_below_zero():
    assert make_schedule("linear").learning_rate(4.0001) == 0.0


def test_plateau_divides_the_rate_after_every_epoch_that_did_not_improve():
    schedule = make_schedule("plateau", decay_factor=4.0, patience=9)
    rates = []
    for cross_entropy in (3.0, 2.0, 2.0, 1.9, 2.5, 2.4):
        schedule.epoch_done(cross_entropy)
        rates.append(schedule.learning_rate(1))

    # An equal cross-entropy is no improvement; a better one later does not bring the old rate back.
    assert rates == [8.0, 8.0, 2.0, 2.0, 0.5, 0.125]


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_other_schedules_do_not_look_at_validation(name):
    watched, unwatched = make_schedule(name), make_schedule(name)
    watched.epoch_done(1.0)
    watched.epoch_done(2.0)

    assert watched.learning_rate(1.5) == unwatched.learning_rate(1.5)


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

    assert [schedule.epoch_done(nats)[1] for nats in (3.0, 3.5, 2.0, 2.5, 2.0)] == ends


def test_the_best_epochs_are_those_below_all_before():
    schedule = make_schedule("plateau", patience=9)

    assert [schedule.epoch_done(nats)[0] for nats in (3.0, 3.5, 2.0, 2.0, 1.0)] == [True, False, True, False, True]


def test_without_validation_every_epoch_is_the_best_and_patience_never_ends():
    schedule = make_schedule("plateau", patience=1)

    assert [schedule.epoch_done(None) for _ in range(3)] == [(True, False)] * 3
    assert schedule.learning_rate(3) == 8.0
