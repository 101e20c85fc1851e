"""Progress in Python programs: in a notebook, as lines, to a listener, or nowhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

import lmctl
from lmctl import showing as module
from lmctl.progress import listening, tell
from lmctl.showing import notebook_display, showing
from lmctl.training.events import EpochDone, StepDone


class Notebook:
    """What a notebook has been told to show: text and HTML, in order."""

    def __init__(self):
        self.shown = []

    def display(self, line, *, display_id):
        assert display_id
        self.update(line)
        return self

    def update(self, line):
        self.shown.append((repr(line), line._repr_html_()))


@pytest.fixture
def notebook(monkeypatch):
    """A notebook around the test, whose clock goes on by a second with each look."""
    found = Notebook()
    seconds = iter(range(1_000_000))
    monkeypatch.setattr(module, "notebook_display", lambda: found.display)
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    return found


def step(**given):
    return StepDone(
        **{
            "epoch": 2,
            "epochs": 4,
            "step": 10,
            "tokens": 150,
            "epoch_tokens": 50,
            "tokens_per_epoch": 100,
            "tokens_per_second": 1234.5,
            "train_perplexity": 20.0,
            "valid_perplexity": None,
            "seconds_left": 61.0,
            **given,
        }
    )


def epoch(number, valid, **given):
    return EpochDone(
        epoch=number,
        step=10 * number,
        tokens=100,
        learning_rate=0.01,
        train_perplexity=30.0,
        valid_perplexity=valid,
        best=number < 3,
        tokens_per_second=1000.0,
        seconds=1.0,
        **given,
    )


def test_a_notebook_shows_activities_steps_and_epochs(notebook):
    with showing(None, "starting <here>") as shown:
        tell("counting", 1, 4)
        shown.on_bytes(2_500_000)
        shown.on_event(step())
        for number, valid in ((1, 50.0), (2, 40.0), (3, 45.0)):
            shown.on_event(epoch(number, valid))

    texts, pages = zip(*notebook.shown, strict=True)
    assert [text.splitlines()[-1].split("  ")[0] for text in texts] == [
        *("starting <here>", "counting", "reading and cutting words", "epoch 2/4"),
        texts[-1].splitlines()[-1],
    ]
    assert texts[-1].splitlines()[-1].startswith("done after ")
    assert "starting &lt;here&gt;" in pages[0]
    assert 'value="0.250"' in pages[1]
    # One of four epochs is done, and half of the second.
    assert 'value="0.375"' in pages[3]
    assert "1,234 tokens/s  perplexity: train 20.0  1:01 left" in texts[3]
    rows = pages[-1].split("<tr>")[2:]
    assert [("best" in row, f"{valid:.2f}" in row) for row, valid in zip(rows, (50, 40, 45), strict=True)] == [
        *((False, True), (True, True), (False, True))
    ]


def test_the_figures_of_a_network_that_fills_gaps_are_nats(notebook):
    figures = {"train_masked_cross_entropy_nats": 3.25, "valid_masked_cross_entropy_nats": 3.5}
    with showing(None, "training") as shown:
        shown.on_event(epoch(1, None, **figures))

    assert "train masked nats" in notebook.shown[-1][1]
    assert "<td>3.2500</td><td>3.5000</td>" in notebook.shown[-1][1]


def test_without_a_validation_text_no_epoch_is_called_the_best(notebook):
    with showing(None, "training") as shown:
        for number in (1, 2):
            shown.on_event(epoch(number, None))

    page = notebook.shown[-1][1]
    assert "best" not in page
    assert [row.count("published") for row in page.split("<tr>")[2:]] == [0, 1]


def test_an_error_leaves_a_line_that_says_so(notebook):
    with pytest.raises(KeyboardInterrupt), showing(None, "training"):
        raise KeyboardInterrupt

    assert notebook.shown[-1][0].startswith("stopped after ")


def test_nothing_is_shown_if_it_is_not_wanted(notebook, capsys):
    heard = []
    with showing(False, "scoring") as shown:
        tell("scoring", 1, 2)
        shown.on_event(step())
    # The caller shows the progress in another way.
    with listening(lambda *report: heard.append(report)), showing(None, "scoring"):
        tell("scoring", 1, 2)

    assert notebook.shown == []
    assert heard == [("scoring", 1, 2)]
    assert capsys.readouterr() == ("", "")


def test_a_listener_hears_everything():
    heard = []
    with showing(lambda *report: heard.append(report), "training") as shown:
        tell("counting", 1, 4)
        shown.on_bytes(7)
        shown.on_event(step())
        shown.on_event(epoch(1, 50.0))

    assert heard == [
        ("counting", 1, 4),
        ("reading and cutting words", 7, None),
        ("training, epoch 2/4", 50, 100),
    ]


def test_outside_a_notebook_lines_stand_on_standard_error_if_asked(capsys, monkeypatch):
    seconds = iter(range(0, 1_000_000, 11))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    with showing(None, "scoring"):
        tell("scoring", 1, 2)
    assert capsys.readouterr() == ("", "")
    with showing(True, "scoring") as shown:
        tell("scoring", 1, 2)
        shown.on_event(epoch(1, 50.0))

    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0] == "lmctl: scoring"
    assert lines[1].startswith("lmctl: scoring  50 %")
    assert "lmctl: epoch 1  perplexity: train 30.00, valid 50.00" in lines
    assert lines[-1].startswith("lmctl: done after ")


@pytest.mark.parametrize(("shell", "is_one"), [(None, False), ({}, False), ({"kernel": object()}, True)])
def test_a_notebook_is_a_shell_with_a_kernel(monkeypatch, shell, is_one):
    display = object()
    found = None if shell is None else SimpleNamespace(**shell)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: found))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))

    assert (notebook_display() is display) == is_one


def test_the_functions_of_lmctl_show_their_progress(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the cat sat on the mat .\nthe dog sat on the cat .\n" * 20)
    heard = {"prepare": [], "train": [], "evaluate": []}

    def hears(name):
        return lambda activity, _done, _total: heard[name].append(activity)

    settings = {"preset": "ngram", "validation.fraction": 0}
    lmctl.prepare("text.txt", "corpus", settings, progress=hears("prepare"))
    model = lmctl.train("text.txt", "model", settings, progress=hears("train"))
    lmctl.evaluate(model, "text.txt", progress=hears("evaluate"))

    assert "reading and cutting words" in heard["prepare"]
    assert {"reading and cutting words", "counting 2-grams"} <= set(heard["train"])
    assert heard["evaluate"][-1] == "scoring text.txt"
