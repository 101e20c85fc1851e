"""Counting and estimating in several processes, which may die: always the same tables."""

import contextlib
from pathlib import Path

import pytest
from mortal_steps import DiesFirst

from lmctl.errors import LmctlError
from lmctl.families.ngram import columns
from lmctl.jobs.workers import workers

CORPUS = Path(__file__).parents[3] / "corpora/en.txt"
SETTINGS = [
    {"smoothing": "kneser-ney", "quantize": 8},
    {"smoothing": "kneser-ney", "quantize": 32, "pruning": (0, 0, 1)},
    {"smoothing": "mle"},
]
# The steps that every model has, and that write files.
WRITING_STEPS = {"SortStretch", "MergeRange", "NumberStretch", "EstimateBlock"}


@pytest.fixture(scope="module")
def text():
    return "".join(CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)[:60])


def tables(folder):
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def in_one_stretch(tmp_path, estimate_text, text):
    """`in_one_stretch(settings)`: the tables of the text, counted at once."""

    def estimate(settings):
        folder = tmp_path / "expected"
        folder.mkdir()
        estimate_text(text, folder=folder, order=3, **settings)
        return tables(folder)

    return estimate


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("processes", [2, 3])
def test_tables_are_the_same_bytes_in_any_number_of_processes(
    tmp_path, monkeypatch, estimate_text, text, in_one_stretch, settings, processes
):
    expected = in_one_stretch(settings)
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 100)

    estimate_text(text, folder=folder, order=3, **settings, workers=workers(processes))

    assert tables(folder) == expected


@pytest.mark.parametrize("settings", SETTINGS[:1])
def test_a_step_that_is_killed_in_the_midst_of_a_file_is_done_again(
    tmp_path, monkeypatch, estimate_text, text, in_one_stretch, settings
):
    expected = in_one_stretch(settings)
    folder, marks = tmp_path / "tables", tmp_path / "marks"
    folder.mkdir()
    marks.mkdir()
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 150)
    deaths = []

    def ordered_map(function, items):
        """Give each item to a new process if the last one has died of it."""
        mortal = DiesFirst(function, marks, f"{type(function).__name__}.{getattr(function, 'order', 0)}")
        rest = list(items)
        while rest:
            with contextlib.suppress(LmctlError), workers(2) as of_processes:
                while rest:
                    (result,) = of_processes(mortal, rest[:1])
                    yield result
                    del rest[0]
            if rest:
                deaths.append(function)

    estimate_text(text, folder=folder, order=3, **settings, workers=contextlib.nullcontext(ordered_map))

    assert tables(folder) == expected
    assert {type(function).__name__ for function in deaths} >= WRITING_STEPS


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_step_that_is_done_twice_leaves_no_trace_in_the_tables(
    tmp_path, monkeypatch, estimate_text, text, in_one_stretch, settings
):
    expected = in_one_stretch(settings)
    folder = tmp_path / "tables"
    folder.mkdir()
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 100)

    def ordered_map(function, items):
        """As a cluster does if a worker seemed dead: the later result counts, whichever comes first."""
        for item in items:
            results = function(item), function(item)
            yield results[1]

    estimate_text(text, folder=folder, order=3, **settings, workers=contextlib.nullcontext(ordered_map))

    assert tables(folder) == expected
