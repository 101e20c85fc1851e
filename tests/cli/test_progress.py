"""What a training run shows on standard error of what was compared, and of a cache."""

from __future__ import annotations

import pytest

from lmctl.cli.output import Messages
from lmctl.cli.progress import TrainingDisplay
from lmctl.jobs.events import CacheTuned, Compared
from lmctl.jobs.publishing import Trained

CACHE = CacheTuned(words=2000, tokens=1234, perplexity_without=80.0, perplexity=75.5, includes_oov=True)
CACHE_LINE = "with --state carry --cache 2000, perplexity 75.50 in place of 80.00 on 1,234 validation tokens"


def compared(mixture_is_chosen):
    return Compared(
        ngram_order=5,
        ngram_perplexity=120.25,
        network_perplexity=90.5,
        mixture_perplexity=80.0,
        weights=[0.75, 0.25],
        mixture_is_chosen=mixture_is_chosen,
        includes_oov=True,
        state="carry",
    )


@pytest.fixture
def trained():
    empty = dict.fromkeys(set(Trained.__struct_fields__) - {"outcome", "published", "model"})
    return Trained(outcome="published", published="model/generations/000001", model="model", **empty)


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


@pytest.mark.parametrize("mixture_is_chosen", [False, True])
def test_a_table_marks_what_goes_on(capfd, monkeypatch, trained, mixture_is_chosen):
    monkeypatch.setenv("COLUMNS", "120")
    with TrainingDisplay(Messages(live=True, plain=False, third_parties=False)) as display:
        for event in (compared(mixture_is_chosen), CACHE):
            display.on_event(event)
    display.finish(trained)

    rows = [line.split() for line in capfd.readouterr().err.splitlines()]
    start = rows.index(["model", "valid", "perplexity"])
    network, mixture = ([], ["chosen"]) if mixture_is_chosen else (["chosen"], [])
    assert rows[start + 1 : start + 4] == [
        ["5-grams", "120.25"],
        ["network", "90.50", *network],
        ["mixture,", "0.75", "network", "+", "0.25", "n-grams", "80.00", *mixture],
    ]
    assert rows[start + 4] == CACHE_LINE.split()
