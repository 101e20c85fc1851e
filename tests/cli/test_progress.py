"""Standard error of a training run: the comparison with n-grams, and the cache."""

from __future__ import annotations

import re

import msgspec
import pytest

from lmctl import progress
from lmctl.cli import training_display
from lmctl.cli.activity import showing_activity
from lmctl.cli.output import Messages
from lmctl.cli.training_display import TrainingDisplay
from lmctl.jobs.train.publish import Trained
from lmctl.jobs.watching.events import CacheTuned, Compared
from lmctl.training.events import EpochDone, StepDone

CACHE = CacheTuned(words=2000, tokens=1234, perplexity_without=80.0, perplexity=75.5, includes_oov=True)
CACHE_LINE = "with --state carry --cache 2000, perplexity 75.50 instead of 80.00 on 1,234 validation tokens"


def compared(mixture_is_chosen):
    return Compared(
        baseline="5-grams",
        ngram_perplexity=120.25,
        network_perplexity=90.5,
        mixture_perplexity=80.0,
        weights=[0.75, 0.25],
        mixture_is_chosen=mixture_is_chosen,
        includes_oov=True,
        state="carry",
        tokens=1234,
    )


@pytest.fixture
def trained():
    empty = dict.fromkeys(set(Trained.__struct_fields__) - {"outcome", "published", "model"})
    given = {"published": "model/generations/000001", "model": "model", "family": "lstm"}
    return Trained(outcome="published", **(empty | given))


def test_plain_lines_say_who_predicts_how_well(capfd, trained):
    with TrainingDisplay(Messages(live=False, plain=True, third_parties=False)) as display:
        for event in (compared(False), CACHE):
            display.on_event(event)
    display.finish(trained)

    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "lmctl: 5-grams 120.25, network 90.50, mixture, 0.75 network + 0.25 n-grams 80.00",
        f"lmctl: {CACHE_LINE}",
    ]


@pytest.mark.parametrize(("seconds_left", "end"), [(None, "train 9.0"), (65.0, "train 9.0  1:05 left")])
def test_a_step_is_shown_with_the_time_left_if_it_is_known(capfd, monkeypatch, seconds_left, end):
    monkeypatch.setattr(training_display, "PLAIN_PROGRESS_SECONDS", 0.0)
    step = StepDone(
        epoch=1,
        epochs=2,
        step=1,
        tokens=20,
        epoch_tokens=20,
        tokens_per_epoch=80,
        tokens_per_second=5.0,
        train_perplexity=9.0,
        valid_perplexity=None,
        seconds_left=seconds_left,
    )

    with TrainingDisplay(Messages(live=False, plain=True, third_parties=False)) as display:
        display.on_event(step)

    assert capfd.readouterr().err == f"lmctl: epoch 1/2   25 %  5 tokens/s  perplexity: {end}\n"


@pytest.mark.parametrize("mixture_is_chosen", [False, True])
def test_a_table_marks_the_model_that_is_published(capfd, monkeypatch, trained, mixture_is_chosen):
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingDisplay(Messages(live=True, plain=False, third_parties=False)) as display:
        for event in (compared(mixture_is_chosen), CACHE):
            display.on_event(event)
    display.finish(trained)

    rows = [line.split() for line in capfd.readouterr().err.splitlines()]
    start = rows.index(["model", "perplexity"])
    network, mixture = ([], ["published"]) if mixture_is_chosen else (["published"], [])
    assert rows[start + 1 : start + 4] == [
        ["5-grams", "120.25"],
        ["network", "90.50", *network],
        ["mixture,", "0.75", "network", "+", "0.25", "n-grams", "80.00", *mixture],
    ]
    assert rows[start + 4] == CACHE_LINE.split()


def epoch(number, train, valid, *, best):
    return EpochDone(
        epoch=number,
        step=number,
        tokens=100,
        seconds=1.0,
        tokens_per_second=100.0,
        learning_rate=0.001,
        train_perplexity=train,
        valid_perplexity=valid,
        best=best,
    )


def shown_epochs(capfd, trained, epochs):
    with TrainingDisplay(Messages(live=True, plain=False, third_parties=False)) as display:
        for each in epochs:
            display.on_event(each)
    display.finish(trained)
    lines = capfd.readouterr().err.splitlines()
    start = next(number for number, line in enumerate(lines) if line.split()[:1] == ["epoch"])
    return [line.split() for line in lines[start : start + 1 + len(epochs)]]


def test_epochs_without_validation_have_no_empty_column_and_a_best_one(capfd, monkeypatch, trained):
    monkeypatch.setenv("COLUMNS", "120")
    epochs = [epoch(1, 30.0, None, best=True), epoch(2, 20.0, None, best=True), epoch(3, 25.0, None, best=True)]

    heading, *rows = shown_epochs(capfd, trained, epochs)

    assert heading == ["epoch", "tokens/s", "rate", "perplexity"]
    assert [row[3:] for row in rows] == [["30.00"], ["20.00", "best"], ["25.00", "published"]]


def test_epochs_with_validation_mark_the_best_by_it(capfd, monkeypatch, trained):
    monkeypatch.setenv("COLUMNS", "120")
    epochs = [epoch(1, 30.0, 40.0, best=True), epoch(2, 20.0, 35.0, best=True), epoch(3, 10.0, 38.0, best=False)]

    heading, *rows = shown_epochs(capfd, trained, epochs)

    assert heading == ["epoch", "tokens/s", "rate", "perplexity", "perplexity"]
    assert [row[3:] for row in rows] == [["30.00", "40.00"], ["20.00", "35.00", "best"], ["10.00", "38.00"]]


def test_weights_of_0_and_1_are_no_mixture(capfd, monkeypatch, trained):
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingDisplay(Messages(live=True, plain=False, third_parties=False)) as display:
        display.on_event(msgspec.structs.replace(compared(False), weights=[0.0, 1.0]))
    display.finish(msgspec.structs.replace(trained, family="ngram"))

    shown = capfd.readouterr().err
    assert "mixture" not in shown
    assert [line.split() for line in shown.splitlines() if "published" in line] == [
        ["5-grams", "120.25", "published"]
    ]


def test_an_activity_is_drawn_with_its_share_and_the_time_left(capfd, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("lmctl.estimates.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("lmctl.cli.activity.REDRAW_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "dumb")
    described = []
    monkeypatch.setattr("rich.status.Status.update", lambda _self, text: described.append(text))

    with showing_activity(Messages(live=True, plain=False, third_parties=False), "opening"):
        for done in range(0, 100, 10):
            progress.tell("scoring a.txt", done, 100)
        progress.tell("tuning a cache")

    assert described[0] == "scoring a.txt"
    assert re.fullmatch(r"scoring a.txt  90 %  0:\d\d left", described[9])
    assert described[10] == "tuning a cache"
    # The display does not listen any more.
    progress.tell("scoring", 1, 2)
    assert len(described) == 11


def test_a_new_activity_is_drawn_however_soon_it_follows(monkeypatch, trained):
    monkeypatch.setattr("lmctl.estimates.time.monotonic", lambda: 0.0)
    monkeypatch.setenv("TERM", "dumb")
    described = []
    monkeypatch.setattr("rich.status.Status.update", lambda _self, text: described.append(text))
    messages = Messages(live=True, plain=False, third_parties=False)

    training = TrainingDisplay(messages)
    for shown in (showing_activity(messages, "starting"), training):
        described.clear()
        with shown:
            progress.tell("checking weights", 1, 2)
            progress.tell("checking weights", 2, 2)
            progress.tell("loading TensorFlow")
        assert described == ["checking weights  50 %", "loading TensorFlow"]
    training.finish(trained)


def test_without_a_terminal_nothing_is_said_unless_it_is_asked_for(capfd, monkeypatch):
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr("lmctl.estimates.time.monotonic", lambda: next(clock))
    for plain in (False, True):
        with showing_activity(Messages(live=False, plain=plain, third_parties=False), "opening"):
            for done in range(12):
                progress.tell("scoring a.txt", done, 12)

        said = capfd.readouterr().err.splitlines()
        assert bool(said) == plain
        assert all(line.startswith("lmctl: scoring a.txt") for line in said)
    # A line is due only every ten seconds.
    assert len(said) < 6, said
