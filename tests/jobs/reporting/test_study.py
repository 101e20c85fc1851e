"""The sections about a study: figures of trials whose values are written by hand."""

import math

from html_pages import Page

from lmctl.jobs.reporting.study import study_sections
from lmctl.jobs.tune.options import Tuned
from lmctl.jobs.tune.study import Trial
from lmctl.pages.page import page


def trial(number, state, perplexity, seconds, ended, points=None, why=None):
    values = {"model.dropout": 0.1 * number}
    return Trial(number, values, state, perplexity, points or {}, seconds, why, ended=ended)


def read(trials, importances=None, figure="perplexity"):
    tuned = Tuned(
        trials={"done": 3, "cut": 1, "failed": 1},
        best=3,
        values={},
        figure=figure,
        trial_perplexity=80.0,
        first_perplexity=100.0,
        importances=importances or {},
        settings="my models/best.yaml",
        yaml="model: {dropout: 0.3}\n",
        trained=None,
        study=trials,
    )
    return Page(page("Study", "", study_sections(tuned), ""))


TRIALS = [
    # Trial 1 ended before trial 0, as on a cluster.
    trial(0, "done", 100.0, 120.0, 50.0, {1: 300.0, 2: 200.0, 3: 150.0}),
    trial(1, "cut", 400.0, 30.0, 20.0, {1: 400.0}),
    trial(2, "failed", None, 10.0, 60.0, why="training diverged"),
    trial(3, "done", 80.0, 120.0, 70.0, {1: math.inf, 2: 180.0, 3: 90.0}),
    trial(4, "done", 90.0, 60.0, 90.0),
]


def test_curves_end_with_the_perplexity_of_the_whole_text():
    found = read(TRIALS)
    rows = found.texts["tr"]
    assert "0300.00200.00150.00100.00" in rows
    assert "1400.00---" in rows
    assert "3∞180.0090.0080.00" in rows


def test_the_best_so_far_is_by_the_time_of_all_trials_in_the_order_of_their_ends():
    # 30 s of trial 1 and 120 s of trial 0; then 10 s of trial 2 and 120 s of trial 3. Trial 4 is not better.
    rows = read(TRIALS).texts["tr"]
    place = rows.index("trialtimeperplexity")
    assert rows[place + 1 : place + 3] == ["02 min 30 s100.00", "34 min 40 s80.00"]
    assert "Together they took 5 min 40 s." in read(TRIALS).text


def test_the_table_names_the_best_and_the_reason_of_a_failure():
    rows = read(TRIALS).texts["tr"]
    assert "trialperplexitytimeresultdropoutreason" in rows
    assert "2-10 sfailed0.2training diverged" in rows
    assert any(row.startswith("380.002 min 00 sdone, the best0.3") for row in rows)


def test_what_mattered_and_how_to_repeat_the_best():
    found = read(TRIALS, {"model.dropout": 0.75, "training.learning_rate": 0.25})
    assert "model.dropout75.00 %" in found.texts["tr"]
    assert "lmctl train CORPUS -c 'my models/best.yaml'" in found.text
    assert "What mattered" not in read(TRIALS).text


def test_ngrams_have_no_curves():
    assert "Validation curves" not in read([trial(0, "done", 5.0, 1.0, 1.0), trial(3, "done", 4.0, 1.0, 2.0)]).text


def test_models_that_fill_gaps_have_pseudo_perplexities():
    found = read(TRIALS, figure="pseudo_perplexity")
    assert "Trial 3 has the lowest pseudo-perplexity on the validation text, 80.00." in found.text
    assert "Exponential of the masked cross-entropy of the first 20,000 tokens" in found.text
    assert "trialpseudo-perplexitytimeresultdropoutreason" in found.texts["tr"]
    assert not [name for name in found.texts["text"] if name == "perplexity"]


def test_the_legend_has_every_state():
    too_large = trial(5, "too_large", 70.0, 60.0, 95.0, {1: 200.0})
    names = {"the best", "done", "cut off, failed or over a limit"}
    assert names <= set(read([*TRIALS, too_large]).texts["text"])
