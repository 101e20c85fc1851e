import sqlite3

import pytest

from lmctl.config.spaces import Dimension, Space
from lmctl.errors import DataError
from lmctl.jobs.tune.study import RANDOM_TRIALS, Study

NUMBERS = Space(
    name="x.yaml",
    dimensions=(
        Dimension(path="model.dropout", kind="number", low=0.0, high=0.5),
        Dimension(path="training.learning_rate", kind="number", low=0.001, high=0.1, log=True),
    ),
)
FOUR = Space(
    name="x.yaml",
    dimensions=(
        Dimension(path="a", kind="choice", choices=(1, None)),
        Dimension(path="b", kind="whole", low=1, high=2),
    ),
)
PRESET = {"model.dropout": 0.25, "training.learning_rate": 0.01}


@pytest.fixture
def studies(tmp_path):
    """`studies(space, ...)`: a study, opened again at each call."""
    opened = []

    def open_study(space=NUMBERS, first=PRESET, seed=1, **options):
        for study in opened:
            study.close()
        opened.append(Study(tmp_path / "study.db", space, seed, first, **options))
        return opened[-1]

    yield open_study
    for study in opened:
        study.close()


def run(study, curve, perplexity):
    """Run the next trial with a curve by hand; return it as it ended."""
    trial = study.next()
    for point, value in enumerate(curve, start=1):
        if study.report(trial, point, value):
            return study.end(trial, "cut")
    return study.end(trial, "done", perplexity=perplexity)


def test_the_first_trial_has_the_values_of_the_preset(studies):
    assert studies().next().values == PRESET


def test_a_study_that_was_killed_before_its_first_trial_begins_with_the_preset(studies, tmp_path):
    studies()
    with sqlite3.connect(tmp_path / "study.db") as database:
        # A kill may come between the study and the trial that waits in it.
        for table in ("trial_system_attributes", "trials"):
            database.execute(f"DELETE FROM {table}")  # noqa: S608
    assert studies().next().values == PRESET


def test_a_value_of_the_preset_outside_the_space_is_drawn(studies):
    values = studies(first={"model.dropout": 0.9, "training.learning_rate": 0.01}).next().values
    assert values["training.learning_rate"] == 0.01
    assert 0 <= values["model.dropout"] <= 0.5


def test_halving_cuts_a_curve_that_is_not_among_the_better_half(studies):
    study = studies()
    # Nothing to compare with.
    assert run(study, [100, 90, 80], 70.0).state == "done"
    # At the first point, the better half of {100, 120} is {100}.
    assert run(study, [120, 10], 1.0).points == {1: 120}
    # At the first point, the better one of {100, 120, 95} is 95; at the second one, of {90, 85} it is 85.
    assert run(study, [95, 85, 99], 60.0).state == "done"
    # At the first point, the better half of {100, 120, 95, 99} is {95, 99}; at the second one, of {90, 85, 88} it
    # is 85, so this one is cut there.
    cut = run(study, [99, 88, 1], 1.0)
    assert (cut.state, cut.points, cut.perplexity) == ("cut", {1: 99, 2: 88}, 88)
    # The third point decides nothing.
    assert run(study, [90, 80, 1000], 65.0).state == "done"

    assert [(trial.number, trial.state) for trial in study.trials()] == [
        (0, "done"),
        (1, "cut"),
        (2, "done"),
        (3, "cut"),
        (4, "done"),
    ]
    assert (study.best().number, study.best().perplexity) == (2, 60.0)


def test_random_search_cuts_nothing(studies):
    study = studies(random=True)
    assert [run(study, [value, value], value).state for value in (10.0, 20.0, 30.0)] == ["done"] * 3


def test_a_study_that_is_opened_again_continues_its_trial_with_its_curve(studies):
    run(studies(), [50, 40], 30.0)
    before = studies().next()
    assert not studies().report(before, 1, 45)

    study = studies()
    (trial,) = study.interrupted()

    assert (trial.number, trial.values, trial.points, trial.state) == (before.number, before.values, {1: 45}, None)
    # The better one of {40, 41} is 40.
    assert study.report(trial, 2, 41)
    assert study.end(trial, "cut").points == {1: 45, 2: 41}
    assert study.interrupted() == []


def test_trials_at_the_same_time_are_different_and_all_are_continued(studies):
    study = studies()
    for value in (50.0, 40.0, 60.0, 45.0, 55.0):
        run(study, [], value)
    # From here on, the results choose.
    begun = [study.next() for _ in range(3)]
    study.report(begun[1], 1, 45)
    study.close()

    again = studies()
    found = again.interrupted()

    assert len({tuple(trial.values.values()) for trial in begun}) == 3
    assert [(trial.number, trial.values, trial.points) for trial in found] == [
        (5, begun[0].values, {}),
        (6, begun[1].values, {1: 45}),
        (7, begun[2].values, {}),
    ]
    assert len(again.trials()) == 5


def test_choices_do_not_depend_on_interruptions(studies, tmp_path):
    perplexities = [60.0, 50.0, 70.0, 40.0, 55.0, 45.0, 65.0, 35.0]
    assert len(perplexities) > RANDOM_TRIALS
    study = studies()
    at_once = [run(study, [], value).values for value in perplexities]
    study.close()
    (tmp_path / "study.db").unlink()

    assert [run(studies(), [], value).values for value in perplexities] == at_once


def test_another_seed_chooses_otherwise(studies, tmp_path):
    study = studies()
    first = [run(study, [], 5.0).values for _ in range(2)]
    study.close()
    (tmp_path / "study.db").unlink()
    study = studies(seed=2)
    second = [run(study, [], 5.0).values for _ in range(2)]

    assert first[0] == second[0] == PRESET
    assert first[1] != second[1]


def test_no_configuration_is_tried_twice_and_the_space_ends(studies):
    study = studies(FOUR, {"a": 1, "b": 1})
    tried = []
    while (trial := study.next()) is not None:
        tried.append(tuple(trial.values.values()))
        study.end(trial, "done", perplexity=10.0)

    assert sorted(tried, key=str) == [(1, 1), (1, 2), (None, 1), (None, 2)]
    assert len(study.trials()) == 4


def test_a_number_has_four_digits(studies):
    study = studies()
    for _ in range(6):
        trial = study.next()
        for value in trial.values.values():
            assert value == float(f"{value:.4g}")
        study.end(trial, "done", perplexity=1.0)


def test_a_number_of_a_range_with_a_step_is_one_of_its_steps(studies):
    steps = (0.123456, 0.133456, 0.143456)
    grid = Dimension(path="a", kind="number", low=steps[0], high=steps[-1], step=0.01)
    study = studies(Space(name="x.yaml", dimensions=(grid,)), {})
    tried = []
    while (trial := study.next()) is not None:
        tried.append(trial.values["a"])
        study.end(trial, "done", perplexity=10.0)

    assert tuple(sorted(tried)) == steps


def test_a_trial_over_a_limit_is_never_the_best(studies):
    study = studies()
    run(study, [], 50.0)
    small = study.next()
    study.end(small, "too_large", perplexity=10.0, figures={"bytes": 30.0}, excess={"bytes": 0.5}, why="30 bytes")
    refused = study.next()
    study.end(refused, "too_large", figures={"bytes": 40.0}, excess={"bytes": 1.0}, why="40 bytes")

    assert study.best().perplexity == 50.0
    assert [(trial.state, trial.why, trial.figures) for trial in study.trials()[1:]] == [
        ("too_large", "30 bytes", {"bytes": 30.0}),
        ("too_large", "40 bytes", {"bytes": 40.0}),
    ]


def test_a_study_without_a_finished_trial_has_no_best_one(studies):
    study = studies()
    study.end(study.next(), "failed", why="diverged")
    assert study.best() is None
    assert study.importances() == {}
    assert study.trials()[0].why == "diverged"


def test_the_key_that_decides_matters_most(studies):
    study = studies()
    for _ in range(24):
        trial = study.next()
        study.end(trial, "done", perplexity=100 * (1 + trial.values["model.dropout"]))

    shares = study.importances()

    assert list(shares) == ["model.dropout", "training.learning_rate"]
    assert shares["model.dropout"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "content", [b"not a database, but more than a header " * 100, b"SQLite format 3\0" + bytes(500)]
)
def test_a_damaged_file_is_reported_in_one_line(studies, tmp_path, content):
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(DataError, match=r"study\.db: damaged .*; --restart begins a new study"):
        studies()
    assert (tmp_path / "study.db").read_bytes() == content
