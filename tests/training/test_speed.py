import pytest

from lmctl.training.speed import Speed


def test_after_the_first_step_nothing_is_estimated():
    speed = Speed()
    speed.step_done(80, 20.0)

    assert speed.tokens_per_second == 4.0
    assert speed.seconds_for(100) is None


def test_later_steps_are_counted_without_the_first():
    speed = Speed()
    for tokens, seconds in ((80, 20.0), (80, 2.0), (40, 1.0)):
        speed.step_done(tokens, seconds)

    assert speed.tokens_per_second == 40.0
    assert speed.seconds_for(100) == pytest.approx(2.5)
    assert speed.seconds_for(0) == 0.0
