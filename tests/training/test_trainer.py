import dataclasses
import math
from time import monotonic

import numpy as np
import pytest

from lmctl.errors import DivergenceError, LmctlError
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.training.events import EpochDone, StepDone, TrainingStarted


def train(corpus, config, *, deadline=None, resume_from=None, **watched):
    from lmctl.training.trainer import Watch, train_network

    return train_network(corpus, config, deadline=deadline, resume_from=resume_from, watch=Watch(**watched))


def only_segment(trainer):
    (segment,) = trainer._batches.segments(0)
    return segment


def step(trainer, segment):
    """One optimizer update from the null state."""
    rate = trainer._config.training.learning_rate
    return trainer._steps.train(
        segment, trainer._network.null_state(len(segment.lengths)), seed=1, step=0, rate=rate
    )


def mean_nats(sizes, weights, segment):
    """What training makes small: the targets' summed cross-entropy over all positions, padded ones too."""
    model = LSTMLanguageModel(sizes, weights)
    state = model.null_state(len(segment.lengths))
    found, _ = model.score(segment.inputs, segment.targets, segment.lengths, state)
    return -found.log_probs.sum() / segment.targets.size


def global_norm(arrays):
    return math.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in arrays))


# One gradient step


@pytest.mark.usefixtures("eagerly")
def test_one_step_moves_the_softmax_bias_by_predicted_minus_actual(make_corpus, make_config, make_trainer):
    trainer = make_trainer(make_corpus(), make_config("training.num_steps=100", "training.learning_rate=0.7"))
    segment = only_segment(trainer)
    assert segment.lengths.min() < len(segment.inputs)  # one column is padded
    before = trainer._network.export_weights()
    model = LSTMLanguageModel(trainer._sizes, before)

    step(trainer, segment)

    # d(-log softmax(z)[target]) / dz = softmax(z) - onehot(target), and dz / d(bias) = 1.
    gradient = np.zeros(len(before["softmax.bias"]))
    for column, length in enumerate(segment.lengths):
        state = model.null_state(1)
        for time in range(length):
            state = model.advance(state, segment.inputs[time : time + 1, [column]])
            gradient += np.exp(model.log_probs(state)[0])
            gradient[segment.targets[time, column]] -= 1.0
    moved = trainer._network.export_weights()["softmax.bias"] - before["softmax.bias"]
    np.testing.assert_allclose(moved, -0.7 * gradient / segment.targets.size, atol=1e-5)
    assert np.abs(moved).max() > 0.01


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "shape",
    [
        ("model.layers=2",),
        ("model.tied=true", "model.embedding_dim=5"),
        ("model.tied=true", "model.embedding_dim=4"),
    ],
    ids=["2-layers", "tied", "projected"],
)
def test_one_step_follows_the_slope_of_the_runtimes_loss(make_corpus, make_config, make_trainer, shape):
    # Initial weights are wide, so that no slope is lost in the rounding of float32.
    config = make_config("training.num_steps=100", "training.init_scale=1", "training.learning_rate=1", *shape)
    trainer = make_trainer(make_corpus(), config)
    segment = only_segment(trainer)
    before = trainer._network.export_weights()

    step(trainer, segment)

    after = trainer._network.export_weights()
    for name, weight in before.items():
        # At rate 1 the step is minus the gradient; along the gradient the slope is the gradient's length.
        gradient = weight - after[name]
        length = np.linalg.norm(gradient)
        direction = (gradient / length).astype(np.float32)
        nearby = [before | {name: weight + way * np.float32(0.02) * direction} for way in (1, -1)]
        uphill, downhill = (mean_nats(trainer._sizes, weights, segment) for weights in nearby)
        assert (uphill - downhill) / 0.04 == pytest.approx(length, rel=0.01), name


@pytest.mark.usefixtures("eagerly")
def test_clip_norm_bounds_the_global_norm_of_the_gradient(make_corpus, make_config, make_trainer):
    corpus = make_corpus()
    moved = {}
    for clip_norm in ("null", "0.01", "1000"):
        settings = ("training.init_scale=1", "training.learning_rate=1", f"training.clip_norm={clip_norm}")
        trainer = make_trainer(corpus, make_config(*settings))
        before = trainer._network.export_weights()
        step(trainer, next(iter(trainer._batches.segments(0))))
        after = trainer._network.export_weights()
        moved[clip_norm] = {name: after[name] - before[name] for name in before}

    unclipped = global_norm(moved["null"].values())
    assert unclipped > 0.1
    assert global_norm(moved["0.01"].values()) == pytest.approx(0.01, rel=1e-4)
    assert global_norm(moved["1000"].values()) == pytest.approx(unclipped, rel=1e-6)
    for name, update in moved["0.01"].items():
        # Scaled as a whole: the direction stays.
        np.testing.assert_allclose(update, moved["null"][name] * (0.01 / unclipped), atol=1e-7)


@pytest.mark.usefixtures("eagerly")
def test_a_words_gradient_is_summed_over_its_places_before_it_is_squared(make_corpus, make_config, make_trainer):
    # The embedding's gradient comes with a row for every token that was read, and "the" was read five times.
    # Adam's first step is the rate, whatever the gradient: Kingma & Ba 2015, algorithm 1, with m / sqrt(v) = 1.
    settings = ("training.init_scale=1", "training.learning_rate=0.001", "training.optimizer=adam")
    trainer = make_trainer(make_corpus(), make_config("training.num_steps=100", *settings))
    segment = only_segment(trainer)
    before = trainer._network.export_weights()["embedding"]

    step(trainer, segment)

    moved = np.abs(trainer._network.export_weights()["embedding"] - before)
    assert np.count_nonzero(segment.inputs == 2) == 5
    # Epsilon takes a little off where a gradient is tiny; rows summed too late would be moved further in places.
    assert moved.max() <= 0.001 * 1.001
    assert moved[1:].mean() == pytest.approx(0.001, rel=0.01)
    assert not moved[0].any()  # <unk> was not read


# State


@pytest.mark.usefixtures("eagerly")
def test_a_column_that_restarts_has_the_loss_of_a_fresh_state(make_corpus, make_config, make_trainer):
    trainer = make_trainer(make_corpus(), make_config("training.init_scale=1"))
    segment = next(iter(trainer._batches.segments(0)))
    left_over = np.random.default_rng(9).normal(size=(1, 2, 2, 5)).astype(np.float32)

    def loss(state, *restart):
        return trainer._steps.validate(dataclasses.replace(segment, restart=np.array(restart)), state)[0]

    fresh_second = left_over * np.array([1, 0], np.float32)[None, None, :, None]
    assert loss(left_over, True, True) == loss(trainer._network.null_state(2), False, False)
    assert loss(left_over, False, True) == loss(fresh_second, False, False)
    assert abs(loss(left_over, False, False) - loss(left_over, True, True)) > 1e-3


@pytest.mark.usefixtures("eagerly")
def test_the_state_is_carried_from_segment_to_segment(make_corpus, make_config, make_trainer):
    # At a rate that moves no weight, the epoch's loss is that of one long segment.
    settings = ("training.init_scale=1", "training.learning_rate=1e-30")
    short = train(make_corpus(), make_config("training.num_steps=3", *settings))
    long = train(make_corpus(), make_config("training.num_steps=100", *settings))

    assert short.steps > long.steps == 1
    assert short.history[0].train_perplexity == pytest.approx(long.history[0].train_perplexity, rel=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_padding_has_no_loss(make_corpus, make_config, make_trainer):
    trainer = make_trainer(make_corpus(), make_config("training.num_steps=100"))
    segment = only_segment(trainer)
    targets = segment.targets.copy()
    there = np.arange(len(targets))[:, None] < segment.lengths
    targets[~there] = 3
    assert (~there).any()

    start = trainer._network.null_state(2)
    nats, tokens, _ = trainer._steps.validate(segment, start)
    other_nats, _, _ = trainer._steps.validate(dataclasses.replace(segment, targets=targets), start)

    assert other_nats == nats
    assert tokens == segment.tokens == 27
    weights = trainer._network.export_weights()
    expected = mean_nats(trainer._sizes, weights, segment) * segment.targets.size
    assert nats == pytest.approx(expected, rel=1e-5)


# Dropout


@pytest.mark.usefixtures("eagerly")
def test_dropout_masks_depend_on_seed_and_step_alone(make_corpus, make_config, make_trainer):
    corpus = make_corpus()
    config = make_config("model.dropout=0.5", "training.learning_rate=1e-30", "training.epochs=2")
    losses = {}
    for order in ((0, 1, 7), (7, 1, 0)):
        trainer = make_trainer(corpus, config)
        segment = next(iter(trainer._batches.segments(0)))
        for number in order:
            start = trainer._network.null_state(2)
            total_nats, _ = trainer._steps.train(segment, start, seed=1, step=number, rate=1e-30)
            losses.setdefault(number, []).append(total_nats)

    assert all(first == second for first, second in losses.values())
    assert len({first for first, _ in losses.values()}) == 3


@pytest.mark.usefixtures("eagerly")
def test_a_run_draws_its_masks_from_its_seed_and_the_number_of_the_step(make_corpus, make_config, make_trainer):
    trainer = make_trainer(make_corpus(), make_config("training.seed=6", "training.epochs=2"))
    seeds = []
    take_step = trainer._steps.train

    def remember(*arguments, seed, step, rate):
        seeds.append((seed, step))
        return take_step(*arguments, seed=seed, step=step, rate=rate)

    trainer._steps.train = remember
    trainer.run()

    assert seeds == [(6, number) for number in range(trainer._step)]
    assert trainer._step == 4


# Limits


@pytest.mark.usefixtures("eagerly")
def test_training_has_as_many_steps_as_are_asked_for_and_plans_its_rate_for_them(
    make_corpus, make_config, make_trainer
):
    settings = ("training.schedule=linear", "training.learning_rate=1", "training.num_steps=5")
    trainer = make_trainer(make_corpus(), make_config(*settings, "training.steps=4", "training.epochs=1"))
    rates = []
    take_step = trainer._steps.train

    def remember(*arguments, rate, **numbers):
        rates.append(rate)
        return take_step(*arguments, rate=rate, **numbers)

    trainer._steps.train = remember
    result = trainer.run()

    # An epoch has 3 steps: the fourth is the first of another, and is validated at its end.
    assert (result.steps, len(result.history), result.history[1].tokens) == (4, 2, 27 + 10)
    assert rates == [1.0, 0.75, 0.5, 0.25]


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_trains_the_model_that_as_many_steps_train(make_corpus, make_config, monkeypatch):
    from lmctl.training.time_limit import TimeLimit

    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    settings = ("training.schedule=linear", "training.optimizer=adam", "training.epochs=50", "model.dropout=0.3")
    monkeypatch.setattr(TimeLimit, "measured", True)
    monkeypatch.setattr(TimeLimit, "plan", lambda *_, **__: 7)

    limited = train(corpus, make_config(*settings), deadline=monotonic() + 3600)

    again = train(corpus, make_config(*settings, "training.steps=7"))
    assert (limited.steps, limited.planned_steps) == (again.steps, again.planned_steps) == (7, 7)
    for name, weight in limited.weights.items():
        assert weight.tobytes() == again.weights[name].tobytes()


@pytest.mark.usefixtures("eagerly")
def test_an_interruption_while_the_speed_is_measured_leaves_no_plan(make_corpus, make_config):
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
def test_a_limit_beside_a_number_of_steps_takes_the_smaller(make_corpus, make_config, monkeypatch, fit, steps):
    from lmctl.training.time_limit import TimeLimit

    monkeypatch.setattr(TimeLimit, "measured", True)
    monkeypatch.setattr(TimeLimit, "plan", lambda *_, **__: fit)

    result = train(make_corpus(), make_config("training.steps=6"), deadline=monotonic() + 3600)

    assert (result.steps, result.planned_steps) == (steps, steps)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("state", ["carry", "reset"])
def test_the_time_of_a_validation_is_that_of_a_part_times_its_share(
    make_corpus, make_config, make_trainer, monkeypatch, state
):
    # Sentences of 1 to 40 words: side by side they come sorted by length.
    valid = [" ".join(["the"] * length) for length in range(1, 41)]
    trainer = make_trainer(
        make_corpus(valid=valid), make_config(f"validation.state={state}", "training.batch_size=1")
    )
    clock = iter(range(10**9))
    validate = trainer._steps.validate

    def slow(segment, carried):
        # A second a token.
        for _ in range(segment.tokens):
            next(clock)
        return validate(segment, carried)

    trainer._steps.validate = slow
    monkeypatch.setattr("lmctl.training.validation.time.perf_counter", lambda: next(clock))

    # 1 to 40 words and their ends: 860 tokens.
    assert trainer._validation.seconds() == pytest.approx(860, rel=0.05)


@pytest.mark.usefixtures("eagerly")
def test_a_limit_that_leaves_time_for_all_epochs_changes_nothing(make_corpus, make_config, monkeypatch):
    from lmctl.training.time_limit import TimeLimit

    monkeypatch.setattr(TimeLimit, "measured", True)
    corpus = make_corpus()
    limited = train(corpus, make_config("training.epochs=2"), deadline=monotonic() + 3600)
    free = train(corpus, make_config("training.epochs=2"))

    assert (limited.steps, limited.planned_steps) == (free.steps, None)
    for name, weight in free.weights.items():
        assert weight.tobytes() == limited.weights[name].tobytes()


@pytest.mark.usefixtures("eagerly")
def test_a_machine_that_turns_slow_stops_training_with_what_there_is(make_corpus, make_config, monkeypatch):
    from lmctl.training.time_limit import TimeLimit

    # When it is planned, before the first step and after it there is time, after the second there is none.
    answers = iter([False, False, False, True, True])
    monkeypatch.setattr(TimeLimit, "measured", True)
    monkeypatch.setattr(TimeLimit, "is_over", lambda _: next(answers))

    result = train(make_corpus(), make_config("training.epochs=9"), deadline=monotonic() + 3600)

    assert (result.steps, len(result.history)) == (2, 1)


@pytest.mark.usefixtures("eagerly")
def test_a_plan_that_is_shortened_lets_the_rate_fall_to_its_end(
    make_corpus, make_config, make_trainer, monkeypatch
):
    from lmctl.training.time_limit import TimeLimit

    trainer = make_trainer(
        make_corpus(),
        make_config("training.schedule=linear", "training.learning_rate=1", "training.warmup_steps=0"),
    )
    monkeypatch.setattr(TimeLimit, "measured", True)
    monkeypatch.setattr(TimeLimit, "plan", lambda *_: 10)
    # After the fourth step the machine has become so slow that two more fit.
    monkeypatch.setattr(TimeLimit, "shortened", lambda _self, step, planned, _epoch: 6 if step >= 4 else planned)
    trainer._time_limit = TimeLimit(monotonic() + 3600)
    trainer._config = make_config("training.schedule=linear", "training.learning_rate=1", "training.epochs=99")
    rates = []
    take_step = trainer._steps.train

    def remember(*arguments, rate, **numbers):
        rates.append(rate)
        return take_step(*arguments, rate=rate, **numbers)

    trainer._steps.train = remember
    result = trainer.run()

    # The first measures, at rate 0.
    assert rates == pytest.approx([0.0, 1.0, 0.9, 0.8, 0.7, 2 / 6, 1 / 6])
    assert (result.steps, result.planned_steps) == (6, 6)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("planned", "said"),
    # The step that measures has 16 of the 27 tokens.
    [(1, "leaves 1 step, 0.59 epochs; a longer training.time_limit or"), (4, "leaves 4 steps, 2.4 epochs")],
)
def test_a_plan_of_less_than_an_epoch_is_warned_of(make_corpus, make_config, monkeypatch, caplog, planned, said):
    from lmctl.training.time_limit import TimeLimit

    monkeypatch.setattr(TimeLimit, "measured", True)
    monkeypatch.setattr(TimeLimit, "plan", lambda *_: planned)
    with caplog.at_level("INFO"):
        train(make_corpus(), make_config("training.epochs=9"), deadline=monotonic() + 3600)

    (record,) = [record for record in caplog.records if "time limit" in record.message]
    assert said in record.message
    assert record.levelname == ("WARNING" if planned == 1 else "INFO")


@pytest.mark.usefixtures("eagerly")
def test_time_that_is_over_before_training_begins_is_said(make_corpus, make_config):
    with pytest.raises(LmctlError, match=r"^the time limit was over before training began"):
        train(make_corpus(), make_config(), deadline=monotonic() - 1)


@pytest.mark.usefixtures("eagerly")
def test_the_model_is_the_average_of_the_weights_where_one_is_asked_for(make_corpus, make_config):
    corpus = make_corpus()
    weights = [
        train(corpus, make_config("training.num_steps=5", f"training.steps={steps}")).weights for steps in (10, 20)
    ]
    averaged = train(
        corpus, make_config("training.num_steps=5", "training.steps=20", "training.average_decay=0.999")
    ).weights

    # A look at every tenth step, and so early all looks weigh the same.
    for name, average in averaged.items():
        np.testing.assert_allclose(average, (weights[0][name] + weights[1][name]) / 2, atol=1e-6)


# Same in, same out


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(cpu, make_corpus, make_config):
    corpus = make_corpus()
    settings = ("model.dropout=0.3", "training.reset_probability=0.3", "training.epochs=2")
    first, again = (train(corpus, make_config(*settings)) for _ in range(2))
    other = train(corpus, make_config(*settings, "training.seed=2"))

    for name, weight in first.weights.items():
        assert weight.tobytes() == again.weights[name].tobytes()
        assert weight.tobytes() != other.weights[name].tobytes()
    assert [epoch.train_perplexity for epoch in first.history] == [
        epoch.train_perplexity for epoch in again.history
    ]


# Parity with the runtime


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "shape",
    [
        ("model.layers=1",),
        ("model.layers=2", "model.hidden_units=7"),
        ("model.layers=3", "model.embedding_dim=4"),
        ("model.layers=1", "model.tied=true", "model.embedding_dim=5"),
        ("model.layers=3", "model.tied=true", "model.embedding_dim=5"),
        ("model.layers=1", "model.tied=true", "model.embedding_dim=4"),
    ],
    ids=["1-layer", "2-layers", "3-layers", "1-layer-tied", "3-layers-tied", "projected"],
)
def test_the_runtime_gives_a_trained_networks_log_probabilities(make_corpus, make_config, make_trainer, shape):
    corpus = make_corpus()
    trainer = make_trainer(corpus, make_config("training.learning_rate=5", "training.epochs=3", *shape))
    result = trainer.run()
    token_ids = corpus.train.astype(np.int32)[:, None]

    expected = np.asarray(trainer._network.log_probs(token_ids, trainer._network.null_state(1)))[:, 0]

    model = LSTMLanguageModel(result.sizes, result.weights)
    state = model.null_state(1)
    for position in range(len(token_ids)):
        state = model.advance(state, token_ids[position : position + 1])
        np.testing.assert_allclose(model.log_probs(state)[0], expected[position], atol=1e-4)
    # It has learned something: an untrained network has the perplexity of its vocabulary, 11.
    assert result.history[-1].train_perplexity < 10.5


# Runs


def test_a_run_tells_of_its_start_every_step_and_every_epoch(cpu, make_corpus, make_config):
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    events = []

    result = train(corpus, make_config("training.epochs=2"), on_event=events.append)

    started, *rest = events
    steps = [event for event in rest if isinstance(event, StepDone)]
    epochs = [event for event in rest if isinstance(event, EpochDone)]
    assert isinstance(started, TrainingStarted)
    assert (started.preset, started.epochs, started.validation.state) == ("tiny", 2, "carry")
    # Three sentences of 6 words and one of 5, and their ends; 9 distinct words and two specials.
    assert started.tokens_per_epoch == 27
    assert started.vocabulary_size == result.sizes.vocabulary_size == 11
    # Embedding 11 * 6, LSTM 4 * 5 * (6 + 5 + 1), softmax 11 * (5 + 1).
    assert started.parameters == result.parameters == 66 + 240 + 66
    assert [event.step for event in steps] == list(range(1, result.steps + 1))
    assert [event.epoch_tokens for event in steps if event.epoch == 1][-1] == 27
    assert [event.seconds_left for event in steps][-1] == 0.0
    assert epochs == result.history
    assert [(event.epoch, event.tokens) for event in epochs] == [(1, 27), (2, 54)]
    assert [event.learning_rate for event in epochs] == [0.5, 0.5]
    assert steps[0].valid_perplexity is None
    assert steps[-1].valid_perplexity == epochs[0].valid_perplexity
    assert epochs[1].valid_perplexity == pytest.approx(math.exp(result.valid_cross_entropy_nats))


@pytest.mark.usefixtures("eagerly")
def test_a_uniform_network_has_perplexity_v_in_training_and_in_validation(make_corpus, make_config, make_trainer):
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    trainer = make_trainer(corpus, make_config("training.learning_rate=1e-30"))
    weights = trainer._network.export_weights()
    trainer._network.import_weights({name: np.zeros_like(weight) for name, weight in weights.items()})

    result = trainer.run()

    assert result.history[0].train_perplexity == pytest.approx(len(corpus.vocabulary), rel=1e-5)
    assert result.history[0].valid_perplexity == pytest.approx(len(corpus.vocabulary), rel=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_the_best_epochs_weights_are_kept_and_patience_ends_the_run(make_corpus, make_config):
    # Validation text that is unlike the training text: learning the one unlearns the other.
    corpus = make_corpus(["the cat sat on the mat"] * 4 + ["dog dog"], valid=["dog dog dog"] * 3)
    settings = ("training.learning_rate=3", "training.patience=2")

    result = train(corpus, make_config(*settings, "training.epochs=12"))

    nats = [math.log(epoch.valid_perplexity) for epoch in result.history]
    assert result.best_epoch == int(np.argmin(nats)) + 1
    assert len(result.history) == result.best_epoch + 2 < 12
    assert result.valid_cross_entropy_nats == pytest.approx(min(nats))
    assert [epoch.best for epoch in result.history][-3:] == [True, False, False]
    stopped_there = train(corpus, make_config(*settings, f"training.epochs={result.best_epoch}"))
    for name, weight in result.weights.items():
        np.testing.assert_array_equal(weight, stopped_there.weights[name])


@pytest.mark.usefixtures("eagerly")
def test_a_linear_schedule_lowers_the_rate_at_every_step(make_corpus, make_config, make_trainer):
    settings = ("training.schedule=linear", "training.learning_rate=1", "training.num_steps=5")
    trainer = make_trainer(make_corpus(), make_config(*settings))
    rates = []
    take_step = trainer._steps.train

    def remember(*arguments, rate, **numbers):
        rates.append(rate)
        return take_step(*arguments, rate=rate, **numbers)

    trainer._steps.train = remember
    trainer.run()

    # Columns of 14 and 13 tokens, 5 at a time: 10, 20, then 27 of 27 tokens are read.
    assert rates == pytest.approx([1.0, 17 / 27, 7 / 27])


# A loss that says nothing any more: not a number, infinite, or with a perplexity that no float64 holds (the
# largest is exp(709.78)), though saturated gates keep it finite. Which of them runaway weights give depends on the
# order of the processor's sums.
BEYOND_MEASURE = [math.nan, math.inf, 1e30, 710.0]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("nats", BEYOND_MEASURE)
def test_a_loss_beyond_all_measure_ends_training(make_corpus, make_config, make_trainer, nats):
    trainer = make_trainer(make_corpus(), make_config("training.num_steps=5", "training.epochs=9"))
    take_step = trainer._steps.train

    def diverge(segment, state, **numbers):
        # An epoch has three steps, its sums are those of all steps in it: the third alone is bad.
        total_nats, state = take_step(segment, state, **numbers)
        return (27 * nats if numbers["step"] == 2 else total_nats), state

    trainer._steps.train = diverge

    with pytest.raises(DivergenceError) as caught:
        trainer.run()

    assert str(caught.value) == (
        f"training diverged: the loss is {27 * nats} at epoch 1, step 3; "
        "a lower training.learning_rate (now 0.5) or training.clip_norm may help"
    )


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("nats", BEYOND_MEASURE)
def test_a_validation_loss_beyond_all_measure_ends_training(make_corpus, make_config, make_trainer, nats):
    trainer = make_trainer(make_corpus(valid=["the cat sat"]), make_config())
    trainer._validation.cross_entropy = lambda: nats

    with pytest.raises(DivergenceError) as caught:
        trainer.run()

    assert str(caught.value) == f"training diverged: the validation loss of epoch 1 is {nats}"


@pytest.mark.usefixtures("eagerly")
def test_the_largest_loss_that_can_be_measured_ends_nothing(make_corpus, make_config, make_trainer):
    trainer = make_trainer(make_corpus(valid=["the cat sat"]), make_config())
    trainer._validation.cross_entropy = lambda: 709.0

    assert trainer.run().history[0].valid_perplexity == pytest.approx(8.2184e307, rel=1e-4)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "steps", ["training.num_steps=8", "training.num_steps=100"], ids=["training", "validation"]
)
def test_runaway_weights_end_training(make_corpus, make_config, steps):
    # The first step has the loss of the initial weights. With longer segments it is the only one of its epoch, and
    # the validation is the first to see what the step made of them.
    corpus = make_corpus(valid=["the cat sat"])
    seen_by = "the loss is .* at epoch 1, step 2;" if steps.endswith("=8") else "the validation loss of epoch 1 is"

    with pytest.raises(DivergenceError, match=f"^training diverged: {seen_by}"):
        train(corpus, make_config("training.learning_rate=1e30", steps))


@pytest.mark.usefixtures("eagerly")
def test_mixed_precision_trains_as_float32_does_but_for_rounding(make_corpus, make_config):
    corpus = make_corpus()
    settings = ("training.optimizer=adam", "training.learning_rate=0.05", "training.epochs=5")
    full = train(corpus, make_config(*settings))
    mixed = train(corpus, make_config(*settings, "device.precision=mixed_bfloat16"))

    assert {weight.dtype for weight in mixed.weights.values()} == {np.dtype(np.float32)}
    # bfloat16 keeps 8 binary digits: half a percent a number. The perplexities of 5 epochs stay within 5 percent.
    for rounded, epoch in zip(mixed.history, full.history, strict=True):
        assert rounded.train_perplexity == pytest.approx(epoch.train_perplexity, rel=0.05)
    assert mixed.history[-1].train_perplexity < 9 < 10 < mixed.history[0].train_perplexity


def test_memory_that_runs_out_is_one_line_that_says_what_needs_less(make_corpus, make_config, monkeypatch):
    import tensorflow as tf

    from lmctl.training import trainer

    def exhausted(self):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\na tensor")

    monkeypatch.setattr(trainer.Trainer, "run", exhausted)

    with pytest.raises(LmctlError, match=r"^out of memory on CPU") as caught:
        train(make_corpus(), make_config())
    assert "\n" not in str(caught.value)
