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

    # 2 of 100 seconds are the reserve, and 3.125 are over: 94.875 are left, for 6.1 epochs of 100 * 0.125 + 3
    # seconds, which have 7 validations. (94.875 - 7 * 3) / 0.125 = 591 steps.
    assert planned == 591


def test_the_first_steps_are_no_measure_of_speed(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 5, 2.0)
    after_steps(clock, limit, 20, 0.5)

    # 98 seconds without the reserve, of which 20 are over: 78 / 0.5. The compiling steps do not count.
    assert limit.plan(1000, validation_seconds=0.0) == 156


def test_one_slow_step_does_not_change_the_plan(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 30, 0.125)
    after_steps(clock, limit, 1, 5.0)

    # 98 seconds without the reserve, of which 8.75 are over.
    assert limit.plan(1000, validation_seconds=0.0) == 714


def test_speed_is_measured_for_a_small_part_of_the_limit(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 24, 0.2)
    assert not limit.measured
    after_steps(clock, limit, 1, 0.2)
    # 20 steps after the 5 that compile, and more than 3 seconds.
    assert limit.measured


def test_slow_steps_are_measured_no_longer_than_a_tenth_of_the_limit(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 7, 2.0)
    assert not limit.measured
    after_steps(clock, limit, 1, 2.0)
    # 3 steps after the 5 that compile, and more than 10 seconds.
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


def test_the_time_is_over_if_it_suffices_only_for_the_work_after_training(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 25, 0.1)
    limit.plan(100, validation_seconds=3.0)

    # The last validation, 3 seconds, and half of the reserve, 1 second.
    clock.seconds = 1096.0
    assert not limit.is_over()
    clock.seconds = 1096.1
    assert limit.is_over()


def planned_limit(clock, seconds_after=0.0):
    """100 s without 2 s of reserve, 3.125 s that are over, and 2 s of validation: 743 steps of 1/8 s.

    The reserve is 2 % of the whole run: 0.2 s more with 10 s of work after training, and so up to two steps fewer.
    """
    limit = TimeLimit(1100.0 + seconds_after, seconds_after, clock=clock)
    after_steps(clock, limit, 25, 0.125)
    assert limit.plan(10_000, validation_seconds=2.0) in (743, 741)
    return limit


def train_steps(clock, limit, count, seconds, planned=743, step=0):
    for _ in range(count):
        clock.seconds += seconds
        step += 1
        planned = limit.replanned(step, planned, 10_000, epoch_steps=step)
    return planned


def test_a_machine_as_fast_as_it_was_keeps_its_plan(clock):
    assert train_steps(clock, planned_limit(clock), 500, 0.125) == 743


def test_an_epoch_that_ends_before_the_time_is_over_has_a_validation_of_its_own(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 25, 0.125)
    # 94.875 s, of which two validations take 18 s: one and a half epochs of 400 steps.
    planned = limit.plan(400, validation_seconds=9.0)
    assert planned == 615

    for step in range(1, 401):
        clock.seconds += 0.125
        assert limit.replanned(step, planned, 400, epoch_steps=step) == 615
    clock.seconds += 9.0
    limit.begin()
    for step in range(401, 616):
        clock.seconds += 0.125
        assert limit.replanned(step, planned, 400, epoch_steps=step - 400) == 615


def test_a_few_slow_steps_change_no_plan(clock):
    limit = planned_limit(clock)
    assert train_steps(clock, limit, 19, 0.25) == 743


def test_a_machine_that_becomes_slower_is_given_fewer_steps(clock):
    limit = planned_limit(clock)
    planned = train_steps(clock, limit, 100, 0.25)

    # 3.125 s were over. Half of the reserve is 1 s, and the validation takes 4 s now: 91.875 s are 367 steps.
    assert planned == 367
    assert limit.slowdown == pytest.approx(2.0)


def test_the_work_after_training_is_expected_to_be_slower_too(clock):
    limit = planned_limit(clock, seconds_after=10.0)
    planned = train_steps(clock, limit, 100, 0.25)

    # The deadline allows for 10 s at the old speed, and 10 s more are needed now.
    assert planned == 327


def test_a_machine_that_becomes_faster_again_is_given_more_steps(clock):
    limit = planned_limit(clock)
    planned = train_steps(clock, limit, 100, 0.25)

    # 40.625 s are over, and half of the reserve is 1 s. 2 of the 58.375 s left are for the validation: 451 steps
    # more than 200. The plan was within 5 % of that before the last slow steps were out of the mean, and stayed.
    assert 651 / 1.05 <= train_steps(clock, limit, 100, 0.125, planned, step=100) <= 651


def test_a_machine_that_is_a_little_faster_keeps_its_plan(clock):
    assert train_steps(clock, planned_limit(clock), 500, 0.122) == 743


def test_time_between_epochs_is_no_step(clock):
    limit = planned_limit(clock)
    train_steps(clock, limit, 50, 0.125)
    clock.seconds += 2.0
    limit.begin()

    train_steps(clock, limit, 50, 0.125, step=50)
    assert limit.slowdown == pytest.approx(1.0)


def test_the_time_is_over_sooner_if_the_machine_is_slower(clock):
    limit = planned_limit(clock)
    train_steps(clock, limit, 100, 0.25)

    # Twice the 2 s of the validation, and half of the reserve.
    clock.seconds = 1095.0
    assert not limit.is_over()
    clock.seconds = 1095.1
    assert limit.is_over()


def test_work_after_training_that_can_be_cut_short_gets_15_percent_of_the_time_left(clock):
    limit = TimeLimit(1100.0, 80.0, seconds_needed=5.0, clock=clock)
    assert limit.seconds_after == 15.0
    after_steps(clock, limit, 25, 0.8)
    limit.plan(1000, validation_seconds=0.0)

    # 20 s are over, and what the plan keeps does not shrink with the time.
    clock.seconds = 1080.0
    assert limit.seconds_after == pytest.approx(12.0)
    assert limit.validation_deadline.end == 1095.0


def test_work_after_training_that_cannot_be_cut_short_gets_its_time(clock):
    assert TimeLimit(1100.0, 80.0, seconds_needed=70.0, clock=clock).seconds_after == 70.0


def test_a_long_step_that_would_end_too_late_is_not_begun(clock):
    limit = TimeLimit(1100.0, clock=clock)
    after_steps(clock, limit, 10, 2.0)
    planned = limit.plan(1000, validation_seconds=0.0)
    train_steps(clock, limit, 3, 2.0, planned)

    # Half of the reserve is 1 s, and a step takes 2 s.
    clock.seconds = 1097.0
    assert not limit.is_over()
    clock.seconds = 1097.1
    assert limit.is_over()


def continued_limit(clock):
    """100 s, of which 2 s are the reserve; the plan, and its validation of 2 s, are of a run before."""
    limit = TimeLimit(1100.0, clock=clock)
    limit.resume(validation_seconds=2.0)
    limit.begin()
    return limit


def test_steps_in_which_a_continued_run_compiles_change_no_plan(clock):
    limit = continued_limit(clock)
    assert train_steps(clock, limit, 1, 5.0, planned=737) == 737

    # 8 s are over after 25 steps, half of the reserve is 1 s, and the validation takes 2 s: 89 s are 712 steps.
    assert train_steps(clock, limit, 24, 0.125, planned=737, step=1) == 737


def test_a_machine_that_becomes_slower_after_an_interruption_is_found(clock):
    limit = continued_limit(clock)
    planned = train_steps(clock, limit, 25, 0.125, planned=760)
    train_steps(clock, limit, 100, 0.25, planned, step=25)

    assert limit.slowdown == pytest.approx(2.0)


def test_a_long_step_of_a_continued_run_that_would_end_too_late_is_not_begun(clock):
    limit = continued_limit(clock)
    train_steps(clock, limit, 6, 2.0, planned=40)

    # Half of the reserve is 1 s, the validation takes 2 s, and a step 2 s.
    clock.seconds = 1095.0
    assert not limit.is_over()
    clock.seconds = 1095.1
    assert limit.is_over()
