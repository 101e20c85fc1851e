"""The line that a run leaves in runs.jsonl, and the events of a run."""

import os
from pathlib import Path

import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.errors import DivergenceError, InputMissingError, LockedError, UsageError
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import (
    CheckpointSaved,
    Compared,
    LockTaken,
    Prepared,
    RunEnded,
    RunStarted,
    TextRead,
    ignore_event,
)
from lmctl.jobs.watching.runs import Watched, log_without_a_run
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import locked
from lmctl.store.runs import Changes, RunLog
from lmctl.training.events import EpochDone, StepDone, TrainingStarted


@pytest.mark.usefixtures("eagerly")
def test_every_run_leaves_a_line_in_its_models_log(published, tmp_path, again):
    again()
    with pytest.raises(DivergenceError):
        again("training.optimizer=sgd", "training.learning_rate=1e38")

    made, unchanged, failed = RunLog(ModelFolder(tmp_path / "model")).read()

    assert (made.outcome, made.exit_code, made.generation) == ("published", 0, "000001")
    assert made.figures["valid_perplexity"] == published.valid_perplexity
    assert made.figures["steps"] == published.steps
    assert (unchanged.outcome, unchanged.exit_code, unchanged.generation) == ("unchanged", 0, "000001")
    assert (failed.outcome, failed.exit_code, failed.generation) == ("failed", 1, None)
    assert failed.message.startswith("training diverged")
    # The first run had no model to compare with, and the second run found no changes.
    assert (made.changes, unchanged.changes, unchanged.figures) == (None, None, made.figures)
    assert failed.changes == Changes(settings=["training.learning_rate", "training.optimizer"])


@pytest.mark.usefixtures("eagerly")
def test_a_run_says_what_made_it_train(published, text, valid, tmp_path, monkeypatch, again, settings):
    Path(text).write_text(Path(text).read_text() + "a cat\n")
    again()
    other = tmp_path / "other.txt"
    other.write_text("the cat\n")

    def run(*sources, **options):
        asked = settings(f"validation.file={valid}", "publishing.gate=false", "training.seed=3")
        train([str(source) for source in sources], tmp_path / "model", asked, **options)

    run(other)
    monkeypatch.setattr("lmctl.jobs.train.request.__version__", "99")
    run(other)
    run(other, policies=Policies(force=True))
    run(other, text)
    run(text, other)

    assert [run.changes for run in RunLog(ModelFolder(tmp_path / "model")).read()[1:]] == [
        Changes(inputs=[text]),
        Changes(inputs=[str(other), text], settings=["training.seed"]),
        Changes(versions=[f"lmctl {lmctl.__version__} -> 99"]),
        Changes(),
        Changes(inputs=[text]),
        Changes(inputs=[text, str(other), valid]),  # the same files in another order
    ]


@pytest.mark.usefixtures("eagerly")
def test_a_run_tells_of_all_that_happens_from_its_start_to_its_end(text, tmp_path, again):
    seen = []

    trained = again(on_event=seen.append)

    kinds = [type(event) for event in seen if not isinstance(event, StepDone)]
    reading = kinds.count(TextRead)
    assert kinds == [
        *(RunStarted, LockTaken, *[TextRead] * reading, Prepared, TrainingStarted),
        *(CheckpointSaved, EpochDone) * 2,
        *(Compared, RunEnded),
    ]
    assert reading > 0
    start, lock, *_, end = seen
    assert (start.pid, start.model, start.inputs) == (os.getpid(), tmp_path / "model", [text])
    assert start.settings["training.epochs"] == 2
    assert lock.generation is None
    (prepared,) = (event for event in seen if isinstance(event, Prepared))
    # 2 of the 20 words that validate are unknown; 3 sentences have 3 ends.
    assert (prepared.tokens, prepared.vocabulary_size, prepared.oov_rate) == (27, 11, 0)
    assert (prepared.valid_tokens, prepared.valid_oov_rate) == (23, pytest.approx(2 / 20))
    steps = [event.tokens for event in seen if isinstance(event, StepDone)]
    assert steps == sorted(steps)
    assert steps[-1] == trained.tokens == 54
    assert (end.outcome, end.exit_code, end.generation) == ("published", 0, "000001")
    assert (end.figures["steps"], end.seconds > 0) == (trained.steps, True)


@pytest.mark.usefixtures("eagerly")
def test_a_run_with_nothing_to_do_tells_of_its_start_and_its_end(published, again):
    seen = []

    again(on_event=seen.append)

    assert [type(event) for event in seen] == [RunStarted, RunEnded]
    assert (seen[-1].outcome, seen[-1].exit_code, seen[-1].generation) == ("unchanged", 0, "000001")
    assert seen[-1].figures["valid_perplexity"] == published.valid_perplexity


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_diverges_tells_of_its_end(published, again):
    seen = []

    with pytest.raises(DivergenceError) as caught:
        again(
            "training.optimizer=sgd",
            "training.learning_rate=1e38",
            on_event=seen.append,
        )

    end = seen[-1]
    assert [type(event) for event in seen].count(RunEnded) == 1
    assert (end.outcome, end.exit_code, end.message) == ("failed", 1, str(caught.value))


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_fails_at_its_start_leaves_its_line_if_there_is_a_model(published, text, tmp_path, again):
    Path(text).unlink()
    seen = []

    with pytest.raises(InputMissingError):
        again(on_event=seen.append)

    assert [type(event) for event in seen] == [RunStarted, RunEnded]
    *_, last = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (last.outcome, last.exit_code, last.generation) == ("failed", 66, None)


def test_a_run_whose_settings_contradict_each_other_leaves_its_line(text, tmp_path):
    def run(*assignments):
        return train([text], tmp_path / "model", read_settings(assignments=["preset=ngram", *assignments]))

    run("validation.fraction=0")
    with pytest.raises(UsageError, match="has no effect"):
        run("training.epochs=3")

    *_, last = RunLog(ModelFolder(tmp_path / "model")).read()
    assert (last.outcome, last.exit_code, last.generation) == ("failed", 2, None)


@pytest.mark.usefixtures("eagerly")
def test_a_run_that_finds_the_lock_held_says_so_and_leaves_no_line(published, tmp_path, again):
    seen = []

    with locked(tmp_path / "model"), pytest.raises(LockedError):
        again("training.seed=2", on_event=seen.append)

    assert (seen[-1].outcome, seen[-1].exit_code) == ("locked", 75)
    assert len(RunLog(ModelFolder(tmp_path / "model")).read()) == 1


@pytest.mark.usefixtures("eagerly")
def test_a_log_that_cannot_be_written_changes_no_outcome(published, tmp_path, monkeypatch, caplog, again):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunLog, "append", full)

    assert again().outcome == "unchanged"
    assert again(force=True).outcome == "published"
    said = f"{tmp_path}/model/runs.jsonl: could not be written: No space left on device"
    assert caplog.messages.count(said) == 2


@pytest.mark.parametrize(("exit_code", "warnings"), [(65, 1), (74, 0)])
def test_a_run_that_a_disk_has_ended_is_not_told_of_the_disk_twice(
    tmp_path, monkeypatch, caplog, exit_code, warnings
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunLog, "append", full)

    log_without_a_run(Watched(ModelFolder.create(tmp_path / "model"), ignore_event), "failed", exit_code)

    assert len(caplog.messages) == warnings
