import itertools
import math
import time
import types

import numpy as np
import pytest

from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DivergenceError, LmctlError
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.training import trainer
from lmctl.training.events import EpochDone, StepDone, TrainingStarted

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
def test_the_runtime_gives_a_trained_networks_log_probabilities(make_corpus, make_config, make_setup, run, shape):
    corpus = make_corpus()
    setup = make_setup(corpus, make_config("training.learning_rate=5", "training.epochs=3", *shape))
    result = run(setup)
    token_ids = corpus.train.astype(np.int32)[:, None]

    expected = np.asarray(setup.network.log_probs(token_ids, setup.network.null_state(1)))[:, 0]

    model = LSTMLanguageModel(result.sizes, result.weights)
    state = model.null_state(1)
    for position in range(len(token_ids)):
        state = model.advance(state, token_ids[position : position + 1])
        np.testing.assert_allclose(model.log_probs(state)[0], expected[position], atol=1e-4)
    # It has learned something: an untrained network has the perplexity of its vocabulary, 11.
    assert result.history[-1].train_perplexity < 10.5


# The time that is left


def test_the_time_left_does_not_count_the_compilation_in_the_first_step(
    train, make_corpus, make_config, monkeypatch
):
    # The trainer reads the clock before and after each step: the first takes 100 seconds, each later one a second.
    ticks = itertools.chain([0.0, 100.0], itertools.count(100.0))
    clock = types.SimpleNamespace(perf_counter=lambda: next(ticks), monotonic=time.monotonic)
    monkeypatch.setattr(trainer, "time", clock)
    events = []

    train(make_corpus(), make_config("training.epochs=2"), on_event=events.append)

    first, second, third, *_ = (event for event in events if isinstance(event, StepDone))
    # 27 tokens an epoch.
    assert (first.tokens_per_second, first.seconds_left) == (first.tokens / 100, None)
    assert second.tokens_per_second == second.tokens - first.tokens
    assert second.seconds_left == pytest.approx((54 - second.tokens) / second.tokens_per_second)
    # The second and the third step took a second each.
    assert third.tokens_per_second == (third.tokens - first.tokens) / 2


# Same in, same out


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(train, make_corpus, make_config):
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


def test_words_that_are_read_as_unknown_are_learned_as_unknown(train, make_corpus, make_config):
    corpus = make_corpus()
    settings = ("training.optimizer=adam", "training.learning_rate=0.05", "training.epochs=5")

    known = train(corpus, make_config(*settings))
    unknown = train(corpus, make_config(*settings, "training.rare_as_unknown=1e9"))

    # <unk> and </s> alone are left, of 11 words.
    assert unknown.history[0].train_perplexity < known.history[0].train_perplexity
    assert unknown.history[-1].train_perplexity < 3 < 5 < known.history[-1].train_perplexity
    bias = unknown.weights["softmax.bias"]
    assert bias.argmax() == UNKNOWN_ID


# Runs


def test_a_run_tells_of_its_start_every_step_and_every_epoch(train, make_corpus, make_config):
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
    assert started.parameters == result.summary.parameters == 66 + 240 + 66
    assert [event.step for event in steps] == list(range(1, result.summary.steps + 1))
    assert [event.epoch_tokens for event in steps if event.epoch == 1][-1] == 27
    assert [event.seconds_left for event in steps][-1] == 0.0
    assert epochs == result.history
    assert [(event.epoch, event.tokens) for event in epochs] == [(1, 27), (2, 54)]
    assert [event.learning_rate for event in epochs] == [0.5, 0.5]
    assert steps[0].valid_perplexity is None
    assert steps[-1].valid_perplexity == epochs[0].valid_perplexity
    assert epochs[1].valid_perplexity == pytest.approx(math.exp(result.valid_cross_entropy_nats))


@pytest.mark.usefixtures("eagerly")
def test_a_uniform_network_has_perplexity_v_in_training_and_in_validation(
    make_corpus, make_config, make_setup, run
):
    corpus = make_corpus(valid=["the cat sat", "a bird sat on the dog"])
    setup = make_setup(corpus, make_config("training.learning_rate=1e-30"))
    weights = setup.network.export_weights()
    setup.network.import_weights({name: np.zeros_like(weight) for name, weight in weights.items()})

    result = run(setup)

    assert result.history[0].train_perplexity == pytest.approx(len(corpus.vocabulary), rel=1e-5)
    assert result.history[0].valid_perplexity == pytest.approx(len(corpus.vocabulary), rel=1e-5)


@pytest.mark.usefixtures("eagerly")
def test_the_best_epochs_weights_are_kept_and_patience_ends_the_run(train, make_corpus, make_config):
    # The validation text is unlike the training text, so its perplexity rises during training.
    corpus = make_corpus(["the cat sat on the mat"] * 4 + ["dog dog"], valid=["dog dog dog"] * 3)
    settings = ("training.learning_rate=3", "training.patience=2")

    result = train(corpus, make_config(*settings, "training.epochs=12"))

    nats = [math.log(epoch.valid_perplexity) for epoch in result.history]
    assert result.summary.best_epoch == int(np.argmin(nats)) + 1
    assert len(result.history) == result.summary.best_epoch + 2 < 12
    assert result.valid_cross_entropy_nats == pytest.approx(min(nats))
    assert [epoch.best for epoch in result.history][-3:] == [True, False, False]
    stopped_there = train(corpus, make_config(*settings, f"training.epochs={result.summary.best_epoch}"))
    for name, weight in result.weights.items():
        np.testing.assert_array_equal(weight, stopped_there.weights[name])


@pytest.mark.usefixtures("eagerly")
def test_a_linear_schedule_lowers_the_rate_at_every_step(make_corpus, make_config, make_setup, recorded, run):
    settings = ("training.schedule=linear", "training.learning_rate=1", "training.num_steps=5")
    setup = recorded(make_setup(make_corpus(), make_config(*settings)))
    run(setup)

    # Columns of 14 and 13 tokens, 5 at a time: 10, 20, then 27 of 27 tokens are read.
    assert [asked["rate"] for asked in setup.steps.asked] == pytest.approx([1.0, 17 / 27, 7 / 27])


# A useless loss: NaN, infinite, or with a perplexity that is too large for a float64 (the
# largest is exp(709.78)), although saturated gates keep the loss finite. The kind of it depends on the
# order of the processor's sums.
USELESS_LOSSES = [math.nan, math.inf, 1e30, 710.0]


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("nats", USELESS_LOSSES)
def test_a_loss_without_a_finite_perplexity_ends_training(
    make_corpus, make_config, make_setup, recorded, run, nats
):
    setup = make_setup(make_corpus(), make_config("training.num_steps=5", "training.epochs=9"))
    # An epoch has three steps, and its loss is the sum over them. Only the third step is bad.
    setup = recorded(setup, loss=lambda found, number: 27 * nats if number == 2 else found)

    with pytest.raises(DivergenceError) as caught:
        run(setup)

    assert str(caught.value) == (
        f"training diverged: the loss is {27 * nats} at epoch 1, step 3; "
        "set a lower training.learning_rate (now 0.5) or training.clip_norm"
    )


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("nats", USELESS_LOSSES)
def test_a_validation_loss_beyond_all_measure_ends_training(
    make_corpus, make_config, make_setup, validating, run, nats
):
    setup = validating(make_setup(make_corpus(valid=["the cat sat"]), make_config()), nats)

    with pytest.raises(DivergenceError) as caught:
        run(setup)

    assert str(caught.value) == f"training diverged: the validation loss of epoch 1 is {nats}"


@pytest.mark.usefixtures("eagerly")
def test_the_largest_loss_that_can_be_measured_ends_nothing(make_corpus, make_config, make_setup, validating, run):
    setup = validating(make_setup(make_corpus(valid=["the cat sat"]), make_config()), 709.0)

    assert run(setup).history[0].valid_perplexity == pytest.approx(8.2184e307, rel=1e-4)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "steps", ["training.num_steps=8", "training.num_steps=100"], ids=["training", "validation"]
)
def test_runaway_weights_end_training(train, make_corpus, make_config, steps):
    # The first step has the loss of the initial weights. With longer segments it is the only one of its epoch, and
    # the validation is the first to see what the step made of them.
    corpus = make_corpus(valid=["the cat sat"])
    seen_by = "the loss is .* at epoch 1, step 2;" if steps.endswith("=8") else "the validation loss of epoch 1 is"

    with pytest.raises(DivergenceError, match=f"^training diverged: {seen_by}"):
        train(corpus, make_config("training.learning_rate=1e30", steps))


@pytest.mark.usefixtures("eagerly")
def test_mixed_precision_trains_as_float32_does_but_for_rounding(train, make_corpus, make_config):
    corpus = make_corpus()
    settings = ("training.optimizer=adam", "training.learning_rate=0.05", "training.epochs=5")
    full = train(corpus, make_config(*settings))
    mixed = train(corpus, make_config(*settings, "device.precision=mixed_bfloat16"))

    assert {weight.dtype for weight in mixed.weights.values()} == {np.dtype(np.float32)}
    # bfloat16 has 8 binary digits: half a percent a number. The perplexities of 5 epochs stay within 5 percent.
    for rounded, epoch in zip(mixed.history, full.history, strict=True):
        assert rounded.train_perplexity == pytest.approx(epoch.train_perplexity, rel=0.05)
    assert mixed.history[-1].train_perplexity < 9 < 10 < mixed.history[0].train_perplexity


def test_a_lack_of_memory_is_one_line_with_the_keys_that_reduce_it(train, make_corpus, make_config, monkeypatch):
    import tensorflow as tf

    from lmctl.training import trainer

    def exhausted(self):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\na tensor")

    monkeypatch.setattr(trainer.Trainer, "run", exhausted)

    with pytest.raises(LmctlError, match=r"^out of memory on CPU") as caught:
        train(make_corpus(), make_config())
    assert "\n" not in str(caught.value)
