"""The settings and inputs of a training job, checked before the run makes any file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.errors import InputMissingError, UsageError
from lmctl.jobs.train.training_job import Policies, TrainingJob
from lmctl.store.generations import ModelFolder


def make_job(sources, *assignments, model=None, **policies):
    settings = read_settings(assignments=["model.family=ngram", *assignments])
    return TrainingJob.of(sources, model, settings, Policies(**policies))


def test_a_model_without_a_name_is_named_after_the_first_text(text, valid):
    job = make_job([text, valid])

    assert (job.model, job.is_named) == (Path("models/text"), False)


def test_a_name_is_taken_as_it_is(text):
    job = make_job([text], model=Path("news"))

    assert (job.model, job.is_named) == (Path("news"), True)


def test_the_validation_file_is_not_trained_on(text, valid):
    assert make_job([text, valid], f"validation.file={valid}").sources == [text]


def test_a_text_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InputMissingError, match=r"missing\.txt"):
        make_job([str(tmp_path / "missing.txt")]).check_inputs()


def test_a_default_name_does_not_replace_the_model_of_another_text(text, tmp_path, monkeypatch, make_bundle):
    monkeypatch.chdir(tmp_path)
    folder = ModelFolder.create(Path("models/text"))
    make_bundle(folder.work / "finished")
    folder.publish(folder.work / "finished", keep=2)

    with pytest.raises(UsageError, match=r"^models/text was trained on other sources"):
        make_job([text]).check_inputs()
    # A name that the user gave means this model.
    make_job([text], model=Path("models/text")).check_inputs()


def test_a_checkpoint_is_required_of_no_family_that_leaves_none(text):
    make_job([text]).check_requirements()
    with pytest.raises(UsageError) as caught:
        make_job([text], resume="require").check_requirements()

    assert str(caught.value) == (
        "--resume require: training a model of family ngram leaves no checkpoint to continue from; "
        "leave out --resume require"
    )


def test_no_curve_is_told_of_a_family_that_is_estimated(text):
    with pytest.raises(UsageError, match=r"^--curve-points: has no effect with model.family ngram; leave it out$"):
        make_job([text], curve_points=4).check_requirements()
