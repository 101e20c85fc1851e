import dataclasses
import math

import numpy as np
import pytest

from lmctl.families.lstm.runtime import LSTMLanguageModel


def only_segment(setup):
    (segment,) = setup.batches.segments(0)
    return segment


def step(setup, segment):
    """One optimizer update from the null state, at the configured rate."""
    start = setup.network.null_state(len(segment.lengths))
    return setup.steps.train(segment, start, seed=1, step=0, rate=setup.config.training.learning_rate)


def mean_nats(sizes, weights, segment):
    """The training loss: the summed cross-entropy of the targets, divided by the number of all positions."""
    model = LSTMLanguageModel(sizes, weights)
    state = model.null_state(len(segment.lengths))
    found, _ = model.score(segment.inputs, segment.targets, segment.lengths, state)
    return -found.log_probs.sum() / segment.targets.size


def global_norm(arrays):
    return math.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in arrays))


# One gradient step


@pytest.mark.usefixtures("eagerly")
def test_one_step_moves_the_softmax_bias_by_predicted_minus_actual(make_corpus, make_config, make_setup):
    setup = make_setup(make_corpus(), make_config("training.num_steps=100", "training.learning_rate=0.7"))
    segment = only_segment(setup)
    assert segment.lengths.min() < len(segment.inputs)  # one column is padded
    before = setup.network.export_weights()
    model = LSTMLanguageModel(setup.sizes, before)

    step(setup, segment)

    # d(-log softmax(z)[target]) / dz = softmax(z) - onehot(target), and dz / d(bias) = 1.
    gradient = np.zeros(len(before["softmax.bias"]))
    for column, length in enumerate(segment.lengths):
        state = model.null_state(1)
        for time in range(length):
            state = model.advance(state, segment.inputs[time : time + 1, [column]])
            gradient += np.exp(model.log_probs(state)[0])
            gradient[segment.targets[time, column]] -= 1.0
    moved = setup.network.export_weights()["softmax.bias"] - before["softmax.bias"]
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
def test_one_step_follows_the_slope_of_the_runtimes_loss(make_corpus, make_config, make_setup, shape):
    # Initial weights are large, so that rounding to float32 does not hide a slope.
    config = make_config("training.num_steps=100", "training.init_scale=1", "training.learning_rate=1", *shape)
    setup = make_setup(make_corpus(), config)
    segment = only_segment(setup)
    before = setup.network.export_weights()

    step(setup, segment)

    after = setup.network.export_weights()
    for name, weight in before.items():
        # At rate 1, the step is minus the gradient. The slope along the gradient is the gradient's length.
        gradient = weight - after[name]
        length = np.linalg.norm(gradient)
        direction = (gradient / length).astype(np.float32)
        nearby = [before | {name: weight + way * np.float32(0.02) * direction} for way in (1, -1)]
        uphill, downhill = (mean_nats(setup.sizes, weights, segment) for weights in nearby)
        assert (uphill - downhill) / 0.04 == pytest.approx(length, rel=0.01), name


@pytest.mark.usefixtures("eagerly")
def test_clip_norm_bounds_the_global_norm_of_the_gradient(make_corpus, make_config, make_setup):
    corpus = make_corpus()
    moved = {}
    for clip_norm in ("null", "0.01", "1000"):
        settings = ("training.init_scale=1", "training.learning_rate=1", f"training.clip_norm={clip_norm}")
        setup = make_setup(corpus, make_config(*settings))
        before = setup.network.export_weights()
        step(setup, next(iter(setup.batches.segments(0))))
        after = setup.network.export_weights()
        moved[clip_norm] = {name: after[name] - before[name] for name in before}

    unclipped = global_norm(moved["null"].values())
    assert unclipped > 0.1
    assert global_norm(moved["0.01"].values()) == pytest.approx(0.01, rel=1e-4)
    assert global_norm(moved["1000"].values()) == pytest.approx(unclipped, rel=1e-6)
    for name, update in moved["0.01"].items():
        # Scaled as a whole: the direction stays.
        np.testing.assert_allclose(update, moved["null"][name] * (0.01 / unclipped), atol=1e-7)


@pytest.mark.usefixtures("eagerly")
def test_a_words_gradient_is_summed_over_its_places_before_it_is_squared(make_corpus, make_config, make_setup):
    # The embedding's gradient comes with a row for every token that was read, and "the" was read five times.
    # Adam's first step has the size of the rate for every gradient: Kingma & Ba 2015, algorithm 1, m / sqrt(v) =
    # 1.
    settings = ("training.init_scale=1", "training.learning_rate=0.001", "training.optimizer=adam")
    setup = make_setup(make_corpus(), make_config("training.num_steps=100", *settings))
    segment = only_segment(setup)
    before = setup.network.export_weights()["embedding"]

    step(setup, segment)

    moved = np.abs(setup.network.export_weights()["embedding"] - before)
    assert np.count_nonzero(segment.inputs == 2) == 5
    # Epsilon makes the step a little smaller if a gradient is tiny. If rows were summed too late, some steps would
    # be longer.
    assert moved.max() <= 0.001 * 1.001
    assert moved[1:].mean() == pytest.approx(0.001, rel=0.01)
    assert not moved[0].any()  # <unk> was not read


# State


@pytest.mark.usefixtures("eagerly")
def test_a_column_that_restarts_has_the_loss_of_a_fresh_state(make_corpus, make_config, make_setup):
    setup = make_setup(make_corpus(), make_config("training.init_scale=1"))
    segment = next(iter(setup.batches.segments(0)))
    left_over = np.random.default_rng(9).normal(size=(1, 2, 2, 5)).astype(np.float32)

    def loss(state, *restart):
        return setup.steps.validate(dataclasses.replace(segment, restart=np.array(restart)), state)[0]

    fresh_second = left_over * np.array([1, 0], np.float32)[None, None, :, None]
    assert loss(left_over, True, True) == loss(setup.network.null_state(2), False, False)
    assert loss(left_over, False, True) == loss(fresh_second, False, False)
    assert abs(loss(left_over, False, False) - loss(left_over, True, True)) > 1e-3


@pytest.mark.usefixtures("eagerly")
def test_the_state_is_carried_from_segment_to_segment(train, make_corpus, make_config, make_setup):
    # At a rate of almost 0, the loss of the epoch is the loss of one long segment.
    settings = ("training.init_scale=1", "training.learning_rate=1e-30")
    short = train(make_corpus(), make_config("training.num_steps=3", *settings))
    long = train(make_corpus(), make_config("training.num_steps=100", *settings))

    assert short.summary.steps > long.summary.steps == 1
    assert short.history[0].train_perplexity == pytest.approx(long.history[0].train_perplexity, rel=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_padding_has_no_loss(make_corpus, make_config, make_setup):
    setup = make_setup(make_corpus(), make_config("training.num_steps=100"))
    segment = only_segment(setup)
    targets = segment.targets.copy()
    there = np.arange(len(targets))[:, None] < segment.lengths
    targets[~there] = 3
    assert (~there).any()

    start = setup.network.null_state(2)
    nats, tokens, _ = setup.steps.validate(segment, start)
    other_nats, _, _ = setup.steps.validate(dataclasses.replace(segment, targets=targets), start)

    assert other_nats == nats
    assert tokens == segment.tokens == 27
    weights = setup.network.export_weights()
    expected = mean_nats(setup.sizes, weights, segment) * segment.targets.size
    assert nats == pytest.approx(expected, rel=1e-5)


# Dropout


@pytest.mark.usefixtures("eagerly")
def test_dropout_masks_depend_on_seed_and_step_alone(make_corpus, make_config, make_setup):
    corpus = make_corpus()
    config = make_config("model.dropout=0.5", "training.learning_rate=1e-30", "training.epochs=2")
    losses = {}
    for order in ((0, 1, 7), (7, 1, 0)):
        setup = make_setup(corpus, config)
        segment = next(iter(setup.batches.segments(0)))
        for number in order:
            start = setup.network.null_state(2)
            total_nats, _ = setup.steps.train(segment, start, seed=1, step=number, rate=1e-30)
            losses.setdefault(number, []).append(total_nats)

    assert all(first == second for first, second in losses.values())
    assert len({first for first, _ in losses.values()}) == 3


@pytest.mark.usefixtures("eagerly")
def test_a_run_draws_its_masks_from_its_seed_and_the_number_of_the_step(
    make_corpus, make_config, make_setup, recorded, run
):
    setup = recorded(make_setup(make_corpus(), make_config("training.seed=6", "training.epochs=2")))

    run(setup)

    assert [(asked["seed"], asked["step"]) for asked in setup.steps.asked] == [(6, number) for number in range(4)]
