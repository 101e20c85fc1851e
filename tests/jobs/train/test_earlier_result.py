"""The outcome of a run is known if an earlier run shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.errors import QualityGateError
from lmctl.jobs.train import journal
from lmctl.jobs.train.earlier_result import earlier_result, recovered_result
from lmctl.jobs.train.request import describe_request, save_rejection
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies, TrainingJob
from lmctl.jobs.watching.events import RunEnded
from lmctl.jobs.watching.runs import Watched
from lmctl.store.generations import ModelFolder
from lmctl.store.runs import RunLog

SETTINGS = read_settings(assignments=["model.family=ngram", "validation.fraction=0", "publishing.gate=false"])


@pytest.fixture
def model(tmp_path, text):
    """The folder of a model with one generation."""
    train([text], tmp_path / "model", SETTINGS)
    return ModelFolder(tmp_path / "model")


@pytest.fixture
def told():
    """Events of the run, in order."""
    return []


@pytest.fixture
def find(model, text, told):
    """`find(**policies)`: the result that an earlier run shows."""

    def run(**policies):
        return earlier_result(Watched(model, told.append), make_job(model, text, **policies))

    return run


def make_job(model, text, **policies):
    return TrainingJob.of([text], model.folder, SETTINGS, Policies(**policies))


def test_the_same_texts_and_settings_change_nothing(model, find, told):
    found = find()

    assert (found.outcome, found.published) == ("unchanged", str(model.generation(1)))
    (ended,) = told
    assert isinstance(ended, RunEnded)
    assert (ended.outcome, ended.exit_code, ended.generation) == ("unchanged", 0, "000001")
    assert [run.outcome for run in RunLog(model).read()] == ["published", "unchanged"]


def test_force_ignores_earlier_runs(find):
    assert find(force=True) is None


def test_a_text_that_has_changed_is_trained_on(find, text):
    with Path(text).open("a") as file:
        file.write("a bird\n")

    assert find() is None


def test_a_generation_that_is_damaged_is_made_again(model, find, caplog):
    (model.generation(1) / "vocabulary.tsv").write_text("")

    assert find() is None
    assert "vocabulary.tsv" in caplog.text
    assert "training again" in caplog.text


def test_a_rejection_is_repeated(model, find, text, told):
    request = describe_request([text], SETTINGS)
    (model.folder / "request.json").unlink()
    save_rejection(model, request, "not published: worse")

    with pytest.raises(QualityGateError, match=r"^not published: worse$"):
        find()
    assert [(event.outcome, event.exit_code) for event in told] == [("rejected", QualityGateError.exit_code)]


def test_a_generation_that_an_interrupted_run_published_is_recorded(model, text):
    # The state after a kill, when the generation has become current.
    request = describe_request([text], SETTINGS)
    (model.folder / "request.json").unlink()
    journal.begin(model, request, model.generation(1))
    (model.work / "checkpoint").write_bytes(b"")

    found = recovered_result(model, make_job(model, text))

    assert (found.outcome, found.published) == ("unchanged", str(model.generation(1)))
    assert not journal.is_begun(model)
    assert not (model.work / "checkpoint").exists()
    # Nothing is left to record, and the same command has nothing to do.
    assert recovered_result(model, make_job(model, text)) is None
    assert earlier_result(Watched(model, lambda _event: None), make_job(model, text)) is not None
