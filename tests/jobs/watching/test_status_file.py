"""The status file, read by Prometheus' own parser of the text format."""

import logging
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmctl.errors import MissingExtraError
from lmctl.jobs.watching import status_file
from lmctl.jobs.watching.events import LockTaken, Prepared, RunEnded, RunStarted
from lmctl.jobs.watching.status_file import METRICS, StatusFile, render
from lmctl.store.generations import ModelFolder
from lmctl.store.layout import HOLDER
from lmctl.store.lock import Holder, locked
from lmctl.store.notes import write_note
from lmctl.store.runs import Run, RunLog
from lmctl.training.events import StepDone

FIGURES = {
    "steps": 30,
    "tokens": 300,
    "epochs": 3,
    "train_perplexity": 8.0,
    "valid_perplexity": 9.5,
    "preset": "tiny",
}


class Clock:
    """A clock that the test moves."""

    seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def model(tmp_path):
    """A model: one run published generation 4, and the next run failed."""
    folder = ModelFolder.create(tmp_path / "news")
    folder.generation(4).mkdir()
    (folder.folder / "current").symlink_to("generations/000004")
    times = {"pid": 1, "start": "2026-01-02T03:00:00+00:00", "end": "2026-01-02T03:01:00+00:00"}
    RunLog(folder).append(
        Run(**times, outcome="published", exit_code=0, generation="000004", figures=FIGURES),
    )
    times |= {"start": "2026-01-03T03:00:00+00:00", "end": "2026-01-03T03:00:20+00:00"}
    RunLog(folder).append(Run(**times, outcome="failed", exit_code=74, message="disk full"))
    return folder


# 2026-01-02 03:01:00 and 2026-01-03 03:00:20 in UTC, by `date -ud ... +%s`; and a day later.
PUBLISHED, FAILED, NOW = 1767322860, 1767409220, 1767495620.25


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    """The time of day is always the same."""
    monkeypatch.setattr(status_file, "time", SimpleNamespace(time=lambda: NOW))


def started(folder):
    return RunStarted(pid=1, lmctl="1", model=folder, inputs=["text"], settings={})


def ended(outcome="published", exit_code=0, **changes):
    fields = {"generation": None, "message": None, "changes": None, "figures": {}, "seconds": 12.5}
    return RunEnded(outcome=outcome, exit_code=exit_code, **fields | changes)


def step(number):
    return StepDone(
        epoch=2,
        epochs=3,
        step=number,
        tokens=10 * number,
        epoch_tokens=10,
        tokens_per_epoch=100,
        tokens_per_second=50.0,
        train_perplexity=20.0,
        valid_perplexity=30.0,
        seconds_left=1.0,
    )


def read(path):
    """The samples of a file by name, the outcome whose sample is 1, and the label that all samples share."""
    found, models = {}, set()
    for family in text_string_to_metric_families(path.read_text()):
        assert family.documentation == METRICS[family.name]
        assert family.type == "gauge"
        for sample in family.samples:
            assert sample.timestamp is None
            models.add(sample.labels["model"])
            if "outcome" not in sample.labels:
                found[sample.name] = sample.value
            elif sample.value == 1:
                found[sample.name] = sample.labels["outcome"]
    assert len(models) == 1
    return {name.removeprefix("lmctl_train_"): value for name, value in found.items()}, models.pop()


def test_a_run_that_begins_says_so_and_how_the_one_before_ended(model, tmp_path):
    status = StatusFile(tmp_path / "news.prom")
    status(started(model.folder))
    assert not (tmp_path / "news.prom").exists()

    status(LockTaken(generation="000004"))

    found, label = read(tmp_path / "news.prom")
    assert label == str(model.folder)
    assert found == {
        "running": 1,
        "start_timestamp_seconds": NOW,
        "end_timestamp_seconds": FAILED,
        "success_timestamp_seconds": PUBLISHED,
        "published_timestamp_seconds": PUBLISHED,
        "duration_seconds": 20,
        "exit_code": 74,
        "outcome": "failed",
        "generation": 4,
    }


def test_while_it_trains_the_figures_are_the_runs_own_every_15_seconds(model, tmp_path):
    clock = Clock()
    status = StatusFile(tmp_path / "news.prom", clock=clock)
    status(started(model.folder))
    status(LockTaken(generation="000004"))
    status(Prepared(tokens=90, vocabulary_size=11, oov_rate=0.1, valid_tokens=9, valid_oov_rate=0.25))
    seen = []
    for number in range(1, 40):
        clock.seconds += 1.0
        status(step(number))
        seen.append(read(tmp_path / "news.prom")[0].get("steps"))

    assert seen == [None] * 14 + [15] * 15 + [30] * 10
    found, _ = read(tmp_path / "news.prom")
    assert found["running"] == 1
    assert (found["tokens"], found["epochs"], found["tokens_per_second"]) == (300, 2, 50)
    assert (found["train_perplexity"], found["valid_perplexity"]) == (20, 30)
    assert (found["vocabulary_size"], found["valid_oov_ratio"]) == (11, 0.25)
    assert found["success_timestamp_seconds"] == PUBLISHED


def test_after_a_failure_the_last_success_and_the_published_figures_are_there(model, tmp_path):
    (tmp_path / "news.prom").write_text("what an older version wrote {")
    status = StatusFile(tmp_path / "news.prom")
    for event in (started(model.folder), LockTaken(generation="000004"), step(7), ended("failed", 1)):
        status(event)

    found, _ = read(tmp_path / "news.prom")
    assert found["end_timestamp_seconds"] == NOW
    assert (found["running"], found["outcome"], found["exit_code"]) == (0, "failed", 1)
    assert (found["duration_seconds"], found["success_timestamp_seconds"]) == (12.5, PUBLISHED)
    assert (found["steps"], found["tokens"], found["epochs"], found["valid_perplexity"]) == (30, 300, 3, 9.5)
    assert "tokens_per_second" not in found


@pytest.mark.parametrize(("outcome", "holds_lock"), [("published", True), ("unchanged", False)])
def test_a_run_that_did_its_job_is_the_last_success(model, tmp_path, outcome, holds_lock):
    status = StatusFile(tmp_path / "news.prom")
    status(started(model.folder))
    if holds_lock:
        status(LockTaken(generation="000004"))
    status(ended(outcome, figures=FIGURES | {"valid_perplexity": 7.5, "valid_oov_rate": None}))

    found, _ = read(tmp_path / "news.prom")
    assert found["success_timestamp_seconds"] == found["end_timestamp_seconds"] == NOW
    assert found["published_timestamp_seconds"] == PUBLISHED
    assert (found["outcome"], found["exit_code"], found["valid_perplexity"]) == (outcome, 0, 7.5)


@pytest.mark.parametrize(("outcome", "exit_code"), [("locked", 75), ("unchanged", 0), ("failed", 66)])
def test_while_another_run_is_in_progress_the_file_is_left_to_it(model, tmp_path, outcome, exit_code):
    status = StatusFile(tmp_path / "news.prom")

    with locked(model.folder):
        for event in (started(model.folder), ended(outcome, exit_code)):
            status(event)

    assert not (tmp_path / "news.prom").exists()


@pytest.mark.parametrize("host", [socket.gethostname(), "a-container-that-is-gone"])
def test_a_run_that_was_killed_hides_no_later_failure(model, tmp_path, host):
    # Another process may have its process id now.
    holder = Holder(pid=os.getpid(), host=host, since="2026-01-04T00:00:00+00:00")
    write_note(model.folder / HOLDER, holder)
    status = StatusFile(tmp_path / "news.prom")

    for event in (started(model.folder), ended("failed", 66)):
        status(event)

    assert read(tmp_path / "news.prom")[0]["exit_code"] == 66


def test_a_run_that_was_killed_is_told_of_by_the_next(model, tmp_path):
    log = RunLog(model)
    log.begin()
    log.begin()
    status = StatusFile(tmp_path / "news.prom")

    for event in (started(model.folder), LockTaken(generation="000004")):
        status(event)

    found, _ = read(tmp_path / "news.prom")
    assert (found["outcome"], found["success_timestamp_seconds"]) == ("killed", PUBLISHED)
    assert "exit_code" not in found


def test_a_model_without_records_has_only_the_metrics_of_the_run(tmp_path):
    status = StatusFile(tmp_path / "news.prom")

    for event in (started(tmp_path / "nowhere"), ended("failed", 66)):
        status(event)

    found, _ = read(tmp_path / "news.prom")
    assert set(found) == {
        *("running", "start_timestamp_seconds", "end_timestamp_seconds", "duration_seconds"),
        *("exit_code", "outcome"),
    }


@pytest.mark.parametrize("number", ["1" + 400 * "0", "-1" + 400 * "0"])
@pytest.mark.parametrize("place", ['"exit_code":0', '"steps":30', '"generation":"000004"'])
def test_a_number_beyond_all_floats_in_the_log_of_runs_is_left_out(model, tmp_path, place, number):
    log = model.folder / "runs.jsonl"
    before = log.read_text()
    assert place in before
    log.write_text(before.replace(place, f"{place.split(':')[0]}:{number}"))
    status = StatusFile(tmp_path / "news.prom")

    for event in (started(model.folder), ended("failed", 66)):
        status(event)

    found, _ = read(tmp_path / "news.prom")
    assert found["exit_code"] == 66
    assert "steps" not in found


def test_any_name_of_a_model_is_a_label(tmp_path):
    name = 'a "quoted"\\ name\nof two lines, 新闻'
    (tmp_path / "news.prom").write_bytes(render(name, {"lmctl_train_running": 1.0}, None))

    assert read(tmp_path / "news.prom") == ({"running": 1}, name)


def test_a_perplexity_beyond_all_numbers_is_infinite(tmp_path):
    (tmp_path / "news.prom").write_bytes(render("m", {"lmctl_train_train_perplexity": float("inf")}, None))

    assert '\nlmctl_train_train_perplexity{model="m"} +Inf\n' in (tmp_path / "news.prom").read_text()


def test_the_file_is_replaced_whole_and_can_be_read_by_others(model, tmp_path):
    status = StatusFile(tmp_path / "news.prom")
    status(started(model.folder))
    status(LockTaken(generation="000004"))
    first = (tmp_path / "news.prom").stat()
    opened = (tmp_path / "news.prom").open()

    status(ended())

    assert (tmp_path / "news.prom").stat().st_ino != first.st_ino
    assert first.st_mode & 0o777 == 0o666 & ~umask()
    with opened:
        assert opened.read().endswith("\n")
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["news.prom"]


def umask():
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def test_a_full_disk_is_warned_of_once(model, tmp_path, monkeypatch, caplog):
    status = StatusFile(tmp_path / "news.prom")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lmctl.files.write_bytes", full)
    for event in (started(model.folder), LockTaken(generation="000004"), ended()):
        status(event)

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"{tmp_path}/news.prom: could not be written: No space left on device; the run goes on"]


def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        StatusFile(tmp_path / "missing/news.prom")


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

    with pytest.raises(MissingExtraError, match=r"pip install 'lmctl\[train\]'"):
        StatusFile(Path(tmp_path / "news.prom"))


def test_the_help_texts_stay_as_they_are():
    # The node exporter (1.5.0) drops the series of a model if two files give one metric two texts, as two versions
    # of lmctl on one host would. A metric that changes its meaning gets another name.
    text = render("m", dict.fromkeys(METRICS, 1.0), "published").decode()

    assert [line for line in text.splitlines() if line.startswith("# HELP")] == [
        f"# HELP lmctl_train_{each}"
        for each in (
            "running Whether a run is in progress.",
            "start_timestamp_seconds When the run in progress, or the last one, started.",
            "end_timestamp_seconds When the last run that ended did.",
            "success_timestamp_seconds When a run last ended with exit code 0: published, or unchanged.",
            "published_timestamp_seconds When the current generation was published.",
            "duration_seconds How long the last run that ended took.",
            "exit_code Exit code of the last run that ended.",
            "outcome 1 for how the last run that ended did, 0 for every other way.",
            "generation Number of the current generation.",
            "steps Steps done.",
            "tokens Tokens trained on, those of every epoch counted.",
            "epochs Epochs, the one in progress included.",
            "tokens_per_second Training speed; while a run trains.",
            "train_perplexity Training perplexity of the epoch, dropout on.",
            "valid_perplexity Validation perplexity of the last epoch, or of the published one.",
            "train_masked_cross_entropy_nats Nats of a hidden word in the epoch, dropout on.",
            "valid_masked_cross_entropy_nats Nats of a hidden validation word in the last epoch.",
            "valid_pseudo_perplexity Pseudo-perplexity of the published model that fills gaps.",
            "vocabulary_size Words, <unk> and </s> included.",
            "valid_oov_ratio Share of the validation words that are not in the vocabulary.",
        )
    ]
