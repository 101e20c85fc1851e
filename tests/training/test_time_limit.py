import pytest

from lmctl.training.time_limit import TimeLimit


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def after_steps(clock, limit, count, seconds):
    for _ in range(count):
        clock.seconds += seconds
        limit.step_took(seconds)


def test_the_steps_that_fit_are_planned_with_a_validation_after_each_epoch_and_at_the_end(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 25, 0.125)

    planned = limit.plan(100, validation_seconds=3.0)

    # 2 of 100 seconds are kept back and 3.125 are gone: 94.875 are left, for 6.1 epochs of 100 * 0.125 + 3
    # seconds, which have 7 validations. (94.875 - 7 * 3) / 0.125 = 591 steps.
    assert planned == 591


def test_the_first_steps_are_no_measure_of_speed(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 5, 2.0)
    after_steps(clock, limit, 20, 0.5)

    # 98 seconds without the reserve, of which 20 are gone: 78 / 0.5, the compiling steps forgotten.
    assert limit.plan(1000, validation_seconds=0.0) == 156


def test_one_slow_step_does_not_change_the_plan(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 30, 0.125)
    after_steps(clock, limit, 1, 5.0)

    # 98 seconds without the reserve, of which 8.75 are gone.
    assert limit.plan(1000, validation_seconds=0.0) == 714


def test_speed_is_measured_for_a_small_part_of_the_limit(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 24, 0.2)
    assert not limit.measured
    after_steps(clock, limit, 1, 0.2)
    # 20 steps after the 5 that compile, and more than 3 seconds.
    assert limit.measured


def test_fast_steps_are_measured_no_longer_than_they_need_be(clock):
    limit = TimeLimit(4600.0, clock=clock)
    after_steps(clock, limit, 104, 0.01)
    assert not limit.measured
    after_steps(clock, limit, 1, 0.01)
    assert limit.measured


def test_at_least_one_step_is_planned(clock):
    limit = TimeLimit(1010.0, clock=clock)
    after_steps(clock, limit, 25, 0.5)

    assert limit.plan(1000, validation_seconds=5.0) == 1


def test_the_time_is_over_when_only_what_comes_after_training_fits(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 25, 0.1)
    limit.plan(100, validation_seconds=3.0)

    # The last validation, 3 seconds, and half of the reserve, 1 second.
    clock.seconds = 1096.0
    assert not limit.is_over()
    clock.seconds = 1096.1
    assert limit.is_over()
