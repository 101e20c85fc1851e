"""An interrupted run, and a second run of the same command."""

import os
import signal
from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.errors import DataError, InterruptedRunError, UsageError, WorkerLostError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.progress import listening
from lmctl.training.events import StepDone, TrainingStarted
from lmctl.training.hosts.cluster import Cluster


@pytest.fixture
def not_ignored():
    """`not_ignored(number)`: the signal is not ignored in this test, even if the tests run under nohup."""
    ignored = []

    def handle(number):
        if signal.getsignal(number) is signal.SIG_IGN:
            ignored.append(number)
            signal.signal(number, signal.SIG_DFL)

    yield handle
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_and_the_same_run_again_continues_it(text, tmp_path, number, settings, not_ignored):
    not_ignored(number)
    before = signal.getsignal(number)

    def interrupt(event):
        if isinstance(event, StepDone) and event.epoch == 2:
            os.kill(os.getpid(), number)
            if number == signal.SIGHUP:
                # When a terminal closes, the kernel and the shell send one SIGHUP each.
                os.kill(os.getpid(), number)

    whole = Path(train([text], tmp_path / "whole", settings("training.epochs=4")).published)
    with pytest.raises(InterruptedRunError, match=r"^interrupted; nothing was published") as caught:
        train([text], tmp_path / "model", settings("training.epochs=4"), on_event=interrupt)

    assert caught.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert not (tmp_path / "model/current").exists()
    seen = []
    continued = train([text], tmp_path / "model", settings("training.epochs=4"), on_event=seen.append)

    assert min(event.epoch for event in seen if isinstance(event, StepDone)) == 2
    for name in ("weights.safetensors", "vocabulary.tsv", "config.yaml", "metrics.json"):
        assert (Path(continued.published) / name).read_bytes() == (whole / name).read_bytes()
    assert list((tmp_path / "model/work").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "assignments", [("preset=ngram",), ("training.baseline=true",)], ids=["alone", "baseline"]
)
def test_a_signal_ends_the_counting_of_n_grams_at_once(text, valid, tmp_path, tiny, assignments, number, caplog):
    asked = [f"validation.file={valid}", *([] if assignments == ("preset=ngram",) else tiny), *assignments]
    reports = []

    def interrupt(activity, done, total):
        reports.append(activity)
        if activity == "counting 1-grams":
            os.kill(os.getpid(), number)

    with (
        pytest.raises(InterruptedRunError, match=r"the same command starts over$") as caught,
        listening(interrupt),
    ):
        train([text], tmp_path / "model", read_settings(assignments=asked))

    assert caught.value.exit_code == 128 + number
    assert reports[-1] == "counting 1-grams"
    assert caplog.messages == []
    assert not (tmp_path / "model/current").exists()


@pytest.fixture
def cut_off(text, tmp_path, settings):
    """A model folder in which a run was interrupted after its first step."""

    def interrupt(event):
        if isinstance(event, StepDone):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train([text], tmp_path / "model", settings(), on_event=interrupt)
    return tmp_path / "model"


@pytest.fixture
def first_step_of(text, cut_off, settings):
    """`first_step_of(*assignments, resume="auto")`: the first step of a run in that folder; 1: it starts over."""

    def run(*assignments, resume="auto"):
        seen = []
        train([text], cut_off, settings(*assignments), Policies(resume=resume), on_event=seen.append)
        return next(event.step for event in seen if isinstance(event, StepDone))

    return run


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("asked", "resume", "first"),
    [
        ((), "auto", 2),
        ((), "require", 2),
        ((), "never", 1),
        (("publishing.keep=5",), "auto", 2),  # the model itself does not matter
        (("training.seed=2",), "auto", 1),
        (("vocabulary.size=5",), "auto", 1),
    ],
)
def test_the_first_step_of_a_run_that_finds_a_checkpoint(cut_off, asked, resume, first, first_step_of):
    assert first_step_of(*asked, resume=resume) == first


@pytest.mark.usefixtures("eagerly")
def test_starting_over_is_explained(cut_off, caplog, first_step_of):
    first_step_of("training.seed=2")

    assert f"the checkpoint {cut_off}/work/checkpoint has another configuration; starting over" in caplog.messages


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("asked", "resume", "at", "said"),
    [
        (("training.seed=2",), "auto", StepDone, "continues from {}"),
        (("training.seed=2",), "never", StepDone, "starts over; without --resume never, it continues from {}"),
        # The signal comes while the speed is measured, and the checkpoint there is of another configuration.
        (("training.seed=2", "training.time_limit=1h"), "auto", TrainingStarted, "starts over"),
    ],
)
def test_an_interruption_says_what_the_same_command_does(text, cut_off, settings, asked, resume, at, said):
    def interrupt(event):
        if isinstance(event, at):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError) as caught:
        train([text], cut_off, settings(*asked), Policies(resume=resume), on_event=interrupt)

    said = said.format(cut_off / "work/checkpoint")
    assert str(caught.value) == f"interrupted; nothing was published, and the same command {said}"


@pytest.mark.usefixtures("eagerly")
def test_an_interruption_while_workers_are_awaited_says_that_the_checkpoint_is_used(
    text, tmp_path, cut_off, settings, tiny, monkeypatch
):
    # Several workers train on a prepared folder. Its checkpoint is that of the text.
    prepare([text], tmp_path / "corpus", settings().resolve(), jobs=1)
    asked = read_settings(assignments=[*tiny, "publishing.gate=false"])

    def wait(*_):
        os.kill(os.getpid(), signal.SIGINT)
        raise WorkerLostError("worker 1 (b:1) did not come")

    monkeypatch.setattr("lmctl.training.run.device_for", wait)

    with pytest.raises(InterruptedRunError, match=rf"continues from {cut_off}/work/checkpoint$"):
        train([str(tmp_path / "corpus")], cut_off, asked, Policies(cluster=Cluster(("a:1", "b:1"), 0)))


@pytest.mark.usefixtures("eagerly")
def test_to_require_a_checkpoint_is_to_refuse_another_run_or_none(text, cut_off, tmp_path, settings):
    with pytest.raises(UsageError, match=r"--resume require: .*/checkpoint has another configuration"):
        train([text], cut_off, settings("training.seed=2"), Policies(resume="require"))
    with pytest.raises(UsageError, match="--resume require: no checkpoint at "):
        train([text], tmp_path / "other", settings(), Policies(resume="require"))


@pytest.mark.usefixtures("eagerly")
def test_a_damaged_checkpoint_is_not_believed(text, cut_off, caplog, first_step_of, settings):
    checkpoint = cut_off / "work/checkpoint"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])

    with pytest.raises(DataError, match="/checkpoint: damaged"):
        train([text], cut_off, settings(), Policies(resume="require"))
    assert first_step_of() == 1
    assert any("checkpoint: damaged" in message for message in caplog.messages)


@pytest.mark.usefixtures("eagerly")
def test_the_same_text_in_other_files_is_another_run_if_other_parts_of_it_count_as_old(tmp_path, settings, caplog):
    parts = [f"the cat {number} sat on the mat\na dog {number} sat\n" * 20 for number in range(3)]
    files = [str(tmp_path / f"{number}.txt") for number in range(4)]
    for name, content in zip(files, [*parts, "".join(parts)], strict=True):
        Path(name).write_text(content)
    old = train(files[:2], tmp_path / "old", settings())
    asked = settings(f"training.init_from={old.model}", "training.grow_vocabulary=true")

    def interrupt(event):
        if isinstance(event, StepDone):
            os.kill(os.getpid(), signal.SIGINT)

    # The two texts of the older model are old here. At the start of one file, only the first one is recognised.
    with pytest.raises(InterruptedRunError):
        train(files[:3], tmp_path / "new", asked, on_event=interrupt)
    seen = []
    train(files[3:], tmp_path / "new", asked, on_event=seen.append)

    assert next(event.step for event in seen if isinstance(event, StepDone)) == 1
    assert "has another division into old and new text; starting over" in caplog.text
