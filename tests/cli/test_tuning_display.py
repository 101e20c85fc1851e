"""The display of a study: the table of trials that run at the same time, and plain lines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from lmctl.cli.output import Messages
from lmctl.cli.tuning_display import SHOWN_TRIALS, TuningDisplay
from lmctl.jobs.watching.tuning_events import StudyEnded, StudyStarted, TrialEnded, TrialPoint, TrialStarted

LIVE = Messages(live=True, plain=False, third_parties=False)
PLAIN = Messages(live=False, plain=True, third_parties=False)
HEADING = "space tiny: 1 keys; 3:00 for trials of 1:00 at most, 2 at a time"
STUDY = StudyStarted(
    model=Path("model"),
    space="tiny",
    keys=["model.dropout"],
    decided=0,
    trial_seconds=60.0,
    final_seconds=60.0,
    search_seconds=180.0,
    at_once=2,
    figure="perplexity",
)


def started(number, worker="tcp://10.0.0.2:1", *, continued=False):
    values = {"model.dropout": number / 10}
    return TrialStarted(trial=number, values=values, continued=continued, worker=worker)


def ended(number, state, perplexity, *, best=False, seconds=65.0):
    return TrialEnded(
        trial=number, state=state, perplexity=perplexity, best=best, seconds=seconds, why=None, figures={}
    )


def drawn(display):
    """The rows that a terminal shows now."""
    from rich.console import Console

    console = Console(width=120)
    with console.capture() as capture:
        console.print(display._drawn())
    return [line.split() for line in capture.get().splitlines()]


@pytest.fixture
def display(monkeypatch):
    """A display on a wide terminal, after the study has started."""
    monkeypatch.setenv("COLUMNS", "120")
    with TuningDisplay(LIVE) as made:
        made.on_event(STUDY)
        yield made


def test_trials_at_the_same_time_have_a_row_each(display):
    for event in (
        started(0),
        started(1),
        TrialPoint(trial=1, point=1, points=4, perplexity=120.0),
        TrialPoint(trial=0, point=1, points=4, perplexity=100.0),
        ended(1, "cut", 120.0, seconds=20.0),
        started(2),
        ended(0, "done", 50.0, best=True),
        started(2, continued=True),
    ):
        display.on_event(event)

    assert drawn(display) == [
        ["trial", "perplexity", "time"],
        ["0", "dropout=0.0", "50.00", "done,", "best", "1:05"],
        ["1", "dropout=0.1", "120.00", "cut", "off", "0:20"],
        ["2", "dropout=0.2", "continued"],
        HEADING.split(),
    ]
    display.on_event(TrialPoint(trial=2, point=3, points=4, perplexity=60.0))
    assert drawn(display)[3] == ["2", "dropout=0.2", "60.00", "75", "%", "trained"]


def test_the_best_the_running_and_the_last_trials_are_shown(display):
    for number in range(20):
        display.on_event(started(number))
        if number < 18:
            display.on_event(ended(number, "done", 50.0, best=number == 3))

    # The best one, nine others that have ended, and two that run.
    assert [row[0] for row in drawn(display)[1:-1]] == ["3", *(str(number) for number in range(9, 20))]


def test_of_very_many_running_trials_some_are_shown_and_the_others_counted(display):
    display.on_event(started(0))
    display.on_event(ended(0, "done", 50.0, best=True))
    for number in range(1, 51):
        display.on_event(started(number))

    *rows, last = drawn(display)
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(SHOWN_TRIALS)]
    assert last[-3:] == ["39", "more", "running"]


def test_the_table_at_the_end_has_all_trials(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    end = StudyEnded(
        trials={"done": 19}, best=3, values={}, perplexity=50.0, importances={}, settings=Path("b.yaml")
    )
    with TuningDisplay(LIVE) as display:
        display.on_event(STUDY)
        for number in range(20):
            display.on_event(started(number))
            if number < 19:
                display.on_event(ended(number, "done", 50.0, best=number == 3))
        display.on_event(end)
    trained = SimpleNamespace(outcome="unchanged", published="model/generations/000001")
    display.finish(SimpleNamespace(trained=trained))

    lines = [line.split() for line in capfd.readouterr().err.splitlines()]
    heading, *rows, last, counts, _, of_training = lines[-24:]
    assert heading == ["trial", "perplexity", "time"]
    assert counts[:6] == ["trials:", "19", "done;", "trial", "3", "is"]
    assert of_training[:4] == ["texts", "and", "settings", "are"]
    assert [row[0] for row in rows] == [str(number) for number in range(19)]
    # It ran when the time was over.
    assert last == ["19", "dropout=1.9", "stopped"]


def test_plain_lines_name_the_workers(capfd):
    with TuningDisplay(PLAIN) as display:
        for event in (STUDY, started(0), started(1, None), ended(0, "done", 50.0, best=True)):
            display.on_event(event)

    assert capfd.readouterr().err.splitlines() == [
        f"lmctl: {HEADING}",
        "lmctl: trial 0 on tcp://10.0.0.2:1: dropout=0.0",
        "lmctl: trial 1: dropout=0.1",
        "lmctl: trial 0: done, perplexity 50.00, best so far",
    ]


def test_models_that_fill_gaps_have_pseudo_perplexities(capfd):
    with TuningDisplay(PLAIN) as display:
        for event in (
            msgspec.structs.replace(STUDY, figure="pseudo_perplexity"),
            started(0),
            ended(0, "cut", 50.0),
        ):
            display.on_event(event)

    assert capfd.readouterr().err.splitlines()[-1] == "lmctl: trial 0: cut off, pseudo-perplexity 50.00"
