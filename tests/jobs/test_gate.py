"""A new model takes the published one's place only if it is not worse."""

import os
import re
import signal
from pathlib import Path

import pytest

import lmctl
from lmctl.errors import InterruptedRunError, QualityGateError
from lmctl.jobs.events import GateDone
from lmctl.jobs.train import train
from lmctl.query.evaluation import evaluate_file
from lmctl.store.generations import ModelFolder
from lmctl.store.runs import RunLog


@pytest.mark.usefixtures("eagerly")
def test_a_worse_model_is_not_published_and_both_figures_are_said(good, text, known, tmp_path, retrain):
    seen = []
    with pytest.raises(QualityGateError) as caught:
        retrain(on_event=seen.append)

    assert caught.value.exit_code == 3
    assert (tmp_path / "model/current").resolve() == Path(good.published)
    rejected = tmp_path / "model/work/rejected"
    new, published = (
        evaluate_file(lmctl.load(bundle), known, state="carry").bits_per_character
        for bundle in (rejected, good.published)
    )
    assert str(caught.value) == (
        f"not published: the new model is {100 * (new / published - 1):.1f} % worse than the current one "
        f"({new:.4f} against {published:.4f} bits per character; 1 % is allowed). "
        f"It is kept in {rejected}; --no-gate publishes it."
    )
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("rejected", 3, None)
    assert run.figures == {"bits_per_character": new, "published_bits_per_character": published}
    (told,) = (event for event in seen if isinstance(event, GateDone))
    assert (told.published_bits_per_character, told.new_bits_per_character) == (published, new)
    assert (told.tolerance, told.passed) == (0.01, False)
    assert (seen[-1].outcome, seen[-1].exit_code) == ("rejected", 3)


@pytest.mark.usefixtures("eagerly")
def test_a_refusal_that_cannot_be_remembered_is_a_refusal(good, monkeypatch, caplog, retrain):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lmctl.jobs.train.remember_rejection", full)

    with pytest.raises(QualityGateError):
        retrain()
    assert "the gate's refusal could not be remembered" in caplog.text


@pytest.mark.usefixtures("eagerly")
def test_the_same_run_again_is_refused_again_without_training(good, tmp_path, monkeypatch, retrain):
    with pytest.raises(QualityGateError) as caught:
        retrain()
    monkeypatch.setattr("lmctl.jobs.train.opened_corpus", None)

    with pytest.raises(QualityGateError, match=re.escape(str(caught.value))):
        retrain()
    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.message) == ("rejected", 3, str(caught.value))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("assignments", "options"),
    [
        (("publishing.gate=false",), {}),
        (("publishing.gate_tolerance=9",), {}),
        (("training.learning_rate=0.01", "training.epochs=30", "training.seed=2"), {}),
    ],
    ids=["no gate", "a wide tolerance", "as good"],
)
def test_what_the_gate_lets_through_is_published(good, assignments, options, retrain):
    with pytest.raises(QualityGateError):
        retrain()

    assert retrain(*assignments, **options).published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_a_published_model_that_is_damaged_is_no_standard(good, caplog, retrain):
    (Path(good.published) / "weights.safetensors").write_bytes(b"")

    assert retrain().published.endswith("000002")
    assert any(message.startswith("no gate: what is published cannot be scored") for message in caplog.messages)


@pytest.mark.usefixtures("eagerly")
def test_without_a_text_to_validate_on_there_is_no_gate(text, tmp_path, settings):
    train([text], tmp_path / "model", settings("training.epochs=30"))

    published = train([text], tmp_path / "model", settings("training.learning_rate=1e-9")).published
    assert published.endswith("000002")


@pytest.mark.usefixtures("eagerly")
def test_a_signal_while_the_published_model_is_scored_ends_the_run_at_once(good, retrain, tmp_path, monkeypatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("lmctl.jobs.train.score_published", interrupt)
    monkeypatch.setattr("lmctl.training.trainer.train_network", None)

    with pytest.raises(InterruptedRunError, match="interrupted; nothing was published"):
        retrain()

    (*_, run) = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (run.outcome, run.exit_code, run.generation) == ("interrupted", 130, None)
