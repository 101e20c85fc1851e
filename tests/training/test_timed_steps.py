"""Time limits: what counts as the time of a step, and what a continued run does."""

import dataclasses
import logging
from types import SimpleNamespace

import pytest

from lmctl.training.events import Watch
from lmctl.training.time_limit import TimeLimit


class MeasuredLimit(TimeLimit):
    """A time limit that measures one step."""

    measured = True


@pytest.mark.usefixtures("eagerly")
def test_the_time_of_a_checkpoint_is_no_time_of_a_step(make_corpus, make_config, make_setup, recorded):
    from lmctl.training.trainer import Trainer

    seconds = [0.0]
    limit = MeasuredLimit(100_000, clock=lambda: seconds[0])

    def a_second_later(nats, _step):
        seconds[0] += 1
        return nats

    def save(_checkpoint):
        seconds[0] += 100

    setup = recorded(make_setup(make_corpus(), make_config("training.steps=30")), loss=a_second_later)
    Trainer(setup, Watch(save=save, save_every_seconds=0.0), limit).run()

    assert limit.slowdown == 1.0


@pytest.mark.usefixtures("eagerly")
def test_the_time_of_a_checkpoint_is_no_time_of_a_step_by_the_clock_of_several_hosts(
    make_corpus, make_config, make_setup, recorded
):
    """That clock tells when the last step began (`Link.now`), so it stands still while a checkpoint is written."""
    from lmctl.training.trainer import Trainer

    seconds, told = [0.0], [0.0]
    link = SimpleNamespace(now=lambda: told[0], interrupted=lambda: False, check_equal=lambda *_: None)
    limit = MeasuredLimit(100_000, clock=link.now)
    # By a clock that lags, the one step that is measured takes no time.
    limit.step_took(1.0)
    limit.step_took(1.0)

    def a_second_later(nats, _step):
        told[0] = seconds[0]
        seconds[0] += 1
        return nats

    def save(_checkpoint):
        seconds[0] += 100

    setup = recorded(make_setup(make_corpus(), make_config("training.steps=60")), loss=a_second_later)
    Trainer(dataclasses.replace(setup, link=link), Watch(save=save, save_every_seconds=2.0), limit).run()

    assert set(limit._recent) == {1.0}
    assert limit.slowdown == 1.0


@pytest.mark.usefixtures("eagerly")
def test_a_continued_run_leaves_time_for_the_points_of_its_curve(
    train, make_corpus, make_config, make_setup, fixed_limit, monkeypatch
):
    from lmctl.training.trainer import Trainer
    from lmctl.training.validation import Validation

    corpus, config, kept = make_corpus(valid=["the cat sat"]), make_config("training.steps=4"), []
    train(corpus, config, interrupted=lambda: True, save=kept.append, curve_points=3)
    monkeypatch.setattr(Validation, "seconds", lambda _: 7.0)
    limit = fixed_limit()

    Trainer(make_setup(corpus, config), Watch(curve_points=3), limit, kept[0]).run()

    assert limit.curve_seconds == 2 * 7.0


@pytest.mark.usefixtures("eagerly")
def test_a_plan_that_is_kept_is_not_cut_to_an_estimate_of_the_steps_of_all_epochs(
    train, make_corpus, make_config, make_setup, fixed_limit, caplog
):
    from lmctl.training.trainer import Trainer

    caplog.set_level(logging.INFO)
    corpus, config, kept = make_corpus(), make_config("training.epochs=2"), []
    train(corpus, config, interrupted=lambda: True, save=kept.append)
    # 2 epochs of 27 tokens in full segments of 16 would be 4 steps. A run before, which measured more, planned 5.
    kept[0].progress.planned_steps = 5

    result = Trainer(make_setup(corpus, config), time_limit=fixed_limit(), resume_from=kept[0]).run()

    assert (result.summary.steps, result.summary.planned_steps) == (5, 5)
    assert "the machine" not in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_the_update_of_averaged_weights_is_compiled_before_the_steps_are_timed(
    make_corpus, make_config, make_setup, fixed_limit, monkeypatch
):
    from lmctl.training.optimizers import AveragedWeights
    from lmctl.training.trainer import Trainer

    order = []
    monkeypatch.setattr(AveragedWeights, "compile", lambda _: order.append("compiled"))
    setup = make_setup(make_corpus(), make_config("training.average_decay=0.9"))

    Trainer(setup, Watch(lambda event: order.append(type(event).__name__)), fixed_limit(2)).run()

    assert order[:3] == ["TrainingStarted", "compiled", "StepDone"]


@pytest.mark.usefixtures("cpu")
def test_compiling_the_update_of_an_average_changes_nothing_and_is_done_once():
    import tensorflow as tf

    from lmctl.training.optimizers import AveragedWeights

    weight = tf.Variable([1.0])
    averaged = AveragedWeights({"weight": weight}, 0.9)
    weight.assign([7.0])

    averaged.compile()

    assert (averaged.export()["weight"].tolist(), averaged.updates) == ([1.0], 0)
    averaged.step_done(10)
    assert (averaged.export()["weight"].tolist(), averaged.updates) == ([7.0], 1)
    assert averaged._update.experimental_get_tracing_count() == 1
