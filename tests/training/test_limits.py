import logging
from time import monotonic

import numpy as np
import pytest

from lmctl.deadline import Deadline
from lmctl.errors import LmctlError


class Seconds:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 0

    def __call__(self):
        return self.seconds

    def pass_one(self):
        self.seconds += 1


@pytest.mark.usefixtures("eagerly")
def test_training_has_as_many_steps_as_are_asked_for_and_plans_its_rate_for_them(
    make_corpus, make_config, make_setup, recorded, run
):
    settings = ("training.schedule=linear", "training.learning_rate=1", "training.num_steps=5")
    config = make_config(*settings, "training.steps=4", "training.epochs=1")
    setup = recorded(make_setup(make_corpus(), config))
    result = run(setup)

    # An epoch has 3 steps: the fourth is the first of another, and is validated at its end.
    assert (result.summary.steps, len(result.history), result.history[1].tokens) == (4, 2, 27 + 10)
    assert [asked["rate"] for asked in setup.steps.asked] == [1.0, 0.75, 0.5, 0.25]


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_trains_the_model_that_as_many_steps_train(
    train, run, make_corpus, make_config, make_setup, fixed_limit
):
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    settings = ("training.schedule=linear", "training.optimizer=adam", "training.epochs=50", "model.dropout=0.3")

    limited = run(make_setup(corpus, make_config(*settings)), fixed_limit(7))

    again = train(corpus, make_config(*settings, "training.steps=7"))
    assert (
        (limited.summary.steps, limited.summary.planned_steps)
        == (again.summary.steps, again.summary.planned_steps)
        == (7, 7)
    )
    for name, weight in limited.weights.items():
        assert weight.tobytes() == again.weights[name].tobytes()


@pytest.mark.usefixtures("eagerly")
def test_an_interruption_while_the_speed_is_measured_leaves_no_plan(train, make_corpus, make_config):
    kept = []

    result = train(
        make_corpus(),
        make_config(),
        deadline=monotonic() + 3600,
        interrupted=lambda: True,
        save=kept.append,
    )

    assert (result, kept) == (None, [])


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("fit", "steps"), [(4, 4), (900, 6)])
def test_a_limit_beside_a_number_of_steps_takes_the_smaller(
    run, make_corpus, make_config, make_setup, fixed_limit, fit, steps
):
    result = run(make_setup(make_corpus(), make_config("training.steps=6")), fixed_limit(fit))

    assert (result.summary.steps, result.summary.planned_steps) == (steps, steps)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_time_of_a_validation_is_that_of_a_part_times_its_share(
    make_corpus, make_config, make_setup, recorded, state
):
    # Sentences of 1 to 40 words: side by side they come sorted by length.
    corpus = make_corpus(valid=[" ".join(["the"] * length) for length in range(1, 41)])
    config = make_config(f"validation.state={state}", "training.batch_size=1")
    # The clock advances by a second for each token, and for each reading.
    clock = iter(range(10**9)).__next__
    setup = recorded(make_setup(corpus, config), clock=clock)
    from lmctl.training.validation import Validation

    validation = Validation(corpus, config, setup.steps, clock)

    # 1 to 40 words and their ends: 860 tokens.
    assert validation.seconds() == pytest.approx(860, rel=0.05)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("state", "tokens"),
    # 40 sentences of 8 tokens are read to the first segment past 100.
    [("carry", 104), ("reset", 104)],
)
def test_a_part_of_the_validation_text_comes_from_all_over_it(make_corpus, make_config, make_setup, state, tokens):
    from lmctl.training.validation import Validation

    corpus = make_corpus(valid=["the cat sat on the mat today"] * 40)
    config = make_config(f"validation.state={state}", "training.batch_size=1")
    setup = make_setup(corpus, config)
    validation = Validation(corpus, config, setup.steps)
    whole = validation.score().nats_per_token()

    validation.keep_to(100)

    assert validation.tokens == tokens
    # All sentences are equal, so from the initial state they have the same loss.
    if state == "reset":
        assert validation.score().nats_per_token() == pytest.approx(whole, rel=1e-6)


@pytest.mark.usefixtures("eagerly")
def test_of_a_validation_that_would_take_too_long_a_part_is_scored(
    make_corpus, make_config, make_setup, run, fixed_limit, monkeypatch, caplog
):
    from lmctl.training.validation import Validation

    corpus = make_corpus(valid=["the cat sat on the mat today"] * 40)
    setup = make_setup(corpus, make_config("training.steps=1", "validation.state=reset", "training.batch_size=1"))
    # A quarter of the time that is left, an hour but for the reserve of 2 %, is a tenth of this.
    monkeypatch.setattr(Validation, "seconds", lambda _: 0.98 * 3600 / 4 * 10)

    result = run(setup, fixed_limit(step_seconds=3600))

    # 31 or 32 of the 320 tokens are wanted: four sentences.
    assert result.valid_tokens == 32
    assert "32 of its 320 tokens are scored" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_a_validation_takes_at_most_a_tenth_of_the_time_of_an_epoch(
    make_corpus, make_config, make_setup, run, fixed_limit, monkeypatch
):
    from lmctl.training.validation import Validation

    corpus = make_corpus(valid=["the cat sat on the mat today"] * 40)
    setup = make_setup(corpus, make_config("training.epochs=2", "validation.state=reset"))
    steps = len(list(setup.batches.segments(0)))
    monkeypatch.setattr(Validation, "seconds", lambda _: 10 * steps)

    result = run(setup, fixed_limit(step_seconds=10.0))

    # An epoch takes 10 seconds a step, and the whole validation text just as long: a tenth are 32 of 320 tokens.
    assert result.valid_tokens == 32


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_a_validation_is_cut_short_before_a_segment_that_would_end_too_late(
    make_corpus, make_config, make_setup, recorded, state
):
    from lmctl.training.validation import Validation

    corpus = make_corpus(valid=["the cat sat on the mat today"] * 40)
    config = make_config(f"validation.state={state}", "training.batch_size=1")
    clock = Seconds()
    setup = recorded(make_setup(corpus, config), clock=clock.pass_one)
    validation = Validation(corpus, config, setup.steps, clock)
    whole = validation.score()
    clock.seconds = 0

    # Each of the 40 segments has 8 tokens, and takes 8 seconds.
    part = validation.score(Deadline(30.0, clock))

    assert (part.is_cut, part.tokens, clock.seconds) == (True, 24, 24)
    assert part.nats == whole.nats[:3]
    assert part.nats_per_token() == pytest.approx(whole.nats_per_token(3))
    assert validation.score(Deadline(0.0, clock)).tokens == 8
    assert not whole.is_cut


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(("loss", "best"), [(0.9, 2), (1.1, 1)])
def test_an_epoch_that_was_validated_on_a_part_is_compared_on_that_part(
    make_corpus, make_config, make_setup, run, fixed_limit, monkeypatch, caplog, loss, best
):
    from lmctl.training.validation import Validated, Validation

    # The first segment is the easiest one: its mean alone is below the mean of all.
    found = iter(
        [
            Validated([10.0, 90.0], [10, 10], 20, is_cut=False),
            Validated([10.0 * loss], [10], 10, is_cut=True),
        ]
    )
    monkeypatch.setattr(Validation, "score", lambda *_: next(found))
    corpus = make_corpus(valid=["the cat sat"])
    # An epoch has 2 steps.
    limit = fixed_limit(4)

    result = run(make_setup(corpus, make_config("training.epochs=9")), limit)

    assert result.summary.best_epoch == best
    assert result.valid_tokens == (10 if best == 2 else 20)
    assert "the last validation of training was cut short: 10 of its" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_a_limit_that_leaves_time_for_all_epochs_changes_nothing(
    train, run, make_corpus, make_config, make_setup, fixed_limit
):
    corpus = make_corpus()
    limited = run(make_setup(corpus, make_config("training.epochs=2")), fixed_limit())
    free = train(corpus, make_config("training.epochs=2"))

    assert (limited.summary.steps, limited.summary.planned_steps) == (free.summary.steps, None)
    for name, weight in free.weights.items():
        assert weight.tobytes() == limited.weights[name].tobytes()


@pytest.mark.usefixtures("eagerly")
def test_training_stops_in_time_if_the_machine_becomes_slow(
    run, make_corpus, make_config, make_setup, fixed_limit
):
    # There is time when the plan is made, before the first step and after it; after the second step there is none.
    limit = fixed_limit(is_over=[False, False, False, True, True])

    result = run(make_setup(make_corpus(), make_config("training.epochs=9")), limit)

    assert (result.summary.steps, len(result.history)) == (2, 1)


@pytest.mark.usefixtures("eagerly")
def test_a_plan_that_is_shortened_lets_the_rate_fall_to_its_end(
    make_corpus, make_config, make_setup, recorded, run, fixed_limit
):
    settings = ("training.schedule=linear", "training.learning_rate=1", "training.warmup_steps=0")
    setup = recorded(make_setup(make_corpus(), make_config(*settings, "training.epochs=99")))
    # After the fourth step the machine has become so slow that two more fit.
    result = run(setup, fixed_limit(10, replanned=lambda step, planned: 6 if step >= 4 else planned))

    # The first step measures the speed, at rate 0.
    assert [asked["rate"] for asked in setup.steps.asked] == pytest.approx([0.0, 1.0, 0.9, 0.8, 0.7, 2 / 6, 1 / 6])
    assert (result.summary.steps, result.summary.planned_steps) == (6, 6)


@pytest.mark.usefixtures("eagerly")
def test_a_plan_that_is_lengthened_ends_no_later_than_the_steps_that_were_asked_for(
    make_corpus, make_config, make_setup, run, fixed_limit, caplog
):
    setup = make_setup(make_corpus(), make_config("training.steps=7"))
    caplog.set_level(logging.INFO)
    # 5 steps fit. After the second step the machine is so fast that 100 do.
    result = run(setup, fixed_limit(5, replanned=lambda step, planned: 100 if step >= 2 else planned))

    assert (result.summary.steps, result.summary.planned_steps) == (7, 7)
    assert [line for line in caplog.messages if "the machine" in line] == [
        "the machine has become faster: 7 steps are planned in place of 5"
    ]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("planned", "said"),
    # The measured step has 16 of the 27 tokens.
    [(1, "leaves time for 1 step, 0.59 epochs; set a longer"), (4, "leaves time for 4 steps, 2.4 epochs")],
)
def test_a_plan_of_less_than_an_epoch_is_warned_of(
    run, make_corpus, make_config, make_setup, fixed_limit, caplog, planned, said
):
    with caplog.at_level("INFO"):
        run(make_setup(make_corpus(), make_config("training.epochs=9")), fixed_limit(planned))

    (record,) = [record for record in caplog.records if "time limit" in record.message]
    assert said in record.message
    assert record.levelname == ("WARNING" if planned == 1 else "INFO")


@pytest.mark.usefixtures("eagerly")
def test_time_that_is_over_before_training_begins_is_said(train, make_corpus, make_config):
    # A caller may publish another model, so the message does not say that nothing was published.
    said = (
        r"^training\.time_limit leaves no time to train: 0 s are left after preparing the text and loading "
        r"TensorFlow, and publishing the model takes at least \d+ s; set a longer training\.time_limit or a "
        r"smaller preset$"
    )
    with pytest.raises(LmctlError, match=said):
        train(make_corpus(), make_config(), deadline=monotonic() - 1)


@pytest.mark.usefixtures("eagerly")
def test_the_model_has_the_averaged_weights_if_averaging_is_set(train, make_corpus, make_config):
    corpus = make_corpus()
    weights = [
        train(corpus, make_config("training.num_steps=5", f"training.steps={steps}")).weights for steps in (10, 20)
    ]
    averaged = train(
        corpus, make_config("training.num_steps=5", "training.steps=20", "training.average_decay=0.999")
    ).weights

    # The average is updated at every tenth step. So early, all updates have the same weight.
    for name, average in averaged.items():
        np.testing.assert_allclose(average, (weights[0][name] + weights[1][name]) / 2, atol=1e-6)
