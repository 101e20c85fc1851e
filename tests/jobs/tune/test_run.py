import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.errors import (
    DataError,
    InputMissingError,
    InterruptedRunError,
    LockedError,
    QualityGateError,
    UnavailableError,
    UsageError,
)
from lmctl.jobs.train.run import train
from lmctl.jobs.tune.limits import Limits
from lmctl.jobs.tune.options import TuneOptions
from lmctl.jobs.tune.run import tune
from lmctl.jobs.tune.study import Study
from lmctl.jobs.watching.tuning_events import StudyEnded, StudyStarted, TrialEnded, TrialStarted
from lmctl.store.bundle import open_bundle
from lmctl.store.lock import locked


@pytest.fixture
def study(sentences, held_out, tmp_path, clock, trials):
    """`study("model.quantize=32", trials=2, ...)`: a run of 1,000 seconds with n-grams; its result and events."""

    def run(*assignments, sources=None, **options):
        events = []
        settings = read_settings(assignments=["model.family=ngram", f"validation.file={held_out}", *assignments])
        options = {"limit_seconds": 1000.0, "trials": 4} | options
        result = tune(
            sources or [sentences],
            tmp_path / "model",
            settings,
            TuneOptions(**options),
            events.append,
            clock,
            trials,
        )
        return result, events

    return run


def refusal(study, *assignments, kind=UsageError, **options):
    with pytest.raises(kind) as caught:
        study(*assignments, **options)
    return str(caught.value)


def test_the_best_configuration_is_trained_and_published(study, tmp_path, trials):
    result, events = study()

    first, *_, last = (event for event in events if isinstance(event, StudyStarted | StudyEnded))
    assert (first.space, first.keys, first.decided) == ("ngram", ["model.order", "model.pruning"], 0)
    assert (last.best, last.values, last.trials) == (result.best, result.values, {"done": 4})
    assert len(trials.commands) == 4
    assert result.trained.outcome == "published"
    bundle = open_bundle(Path(result.trained.published))
    assert bundle.config().model.order == result.values["model.order"]
    assert bundle.config().model.pruning == result.values["model.pruning"]
    # The trials of this test are n-grams of other orders, so only the lowest perplexity among them is known.
    assert result.trial_perplexity == min(
        event.perplexity for event in events if isinstance(event, TrialEnded) and event.state == "done"
    )
    assert result.first_perplexity is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_trial_ends_the_run_before_the_model_is_trained(
    study, tmp_path, monkeypatch, number
):
    importances = Study.importances

    def interrupted(self):
        os.kill(os.getpid(), number)
        return importances(self)

    with monkeypatch.context() as patched:
        patched.setattr(Study, "importances", interrupted)
        with pytest.raises(InterruptedRunError, match=r"the same command continues the study$") as caught:
            study()
    assert caught.value.exit_code == 128 + number
    assert not (tmp_path / "model" / "current").exists()

    assert study()[0].trained.outcome == "published"


def test_the_settings_of_the_best_trial_repeat_it(study, sentences, tmp_path):
    result, _ = study()

    assert Path(result.settings).read_text() == result.yaml
    # Another time limit would not choose another preset.
    assert "\npreset: ngram\n" in result.yaml
    assert result.settings == str(tmp_path / "model" / "tuning" / "best.yaml")
    again = train([sentences], tmp_path / "again", read_settings([result.settings]))

    assert again.valid_perplexity == result.trained.valid_perplexity
    one, other = (open_bundle(Path(each.published)) for each in (result.trained, again))
    assert one.config() == other.config()
    assert one.record.files == other.record.files


def test_a_second_run_continues_the_study_and_trains_nothing_again(study, trials):
    before, _ = study(trials=3)
    trials.commands.clear()

    after, events = study(trials=3)

    assert trials.commands == []
    assert after.trained.outcome == "unchanged"
    assert (after.best, after.yaml) == (before.best, before.yaml)
    (started,) = (event for event in events if isinstance(event, StudyStarted))
    assert started.decided == 3

    longer, _ = study(trials=5)
    assert len(trials.commands) == 2
    assert longer.trials == {"done": 5}


def test_the_text_is_prepared_once(study, tmp_path):
    study(trials=1)
    record = tmp_path / "model" / "tuning" / "corpus" / "corpus.json"
    before = record.stat()

    study(trials=2)

    assert record.stat().st_mtime_ns == before.st_mtime_ns
    assert record.stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": "other"}, "is a study of another corpus; name another model with -o, or --restart begins"),
        ({"assignments": ("model.quantize=32",)}, r"is a study with other settings (model.quantize); --restart"),
        ({"assignments": ("training.seed=5",)}, r"is a study with other settings (training.seed); --restart"),
        ({"limits": "bytes=1GB"}, "is a study with other limits (bytes); --restart begins a new study"),
        ({"random": True}, "is a study with --search tpe; --restart begins a new study"),
        ({"space_file": "model: {order: {min: 2, max: 3}}"}, "is a study of another space (model.order and"),
    ],
)
def test_a_study_of_something_else_is_refused_and_kept(study, tmp_path, sentences, change, message):
    before, _ = study(trials=2)
    options = {name: value for name, value in change.items() if name not in ("assignments", "limits")}
    if "sources" in options:
        (tmp_path / "other.txt").write_text(Path(sentences).read_text() + "one more line\n")
        options["sources"] = [str(tmp_path / "other.txt")]
    if "space_file" in options:
        (tmp_path / "space.yaml").write_text(options["space_file"])
        options["space_file"] = str(tmp_path / "space.yaml")
    if "limits" in change:
        options["limits"] = Limits.parse([change["limits"]])

    refused = refusal(study, *change.get("assignments", ()), **options)

    assert message.replace("model.order and", "model.order, model.pruning") in refused
    after, _ = study(trials=2)
    assert after.trained.outcome == "unchanged"
    assert after.yaml == before.yaml


def test_the_corpus_may_move(study, sentences, tmp_path, trials):
    study(trials=2)
    moved = shutil.copy(sentences, tmp_path / "moved.txt")

    study(trials=2, sources=[str(moved)])

    assert len(trials.commands) == 2


def test_a_study_whose_cluster_is_lost_can_be_continued(study, trials, monkeypatch):
    def lose(*_):
        raise UnavailableError("tcp://10.0.0.1:8786: the scheduler does not answer any more")

    with monkeypatch.context() as patched:
        patched.setattr(type(trials), "__call__", lose)
        message = refusal(study, kind=UnavailableError)
    _, events = study()

    assert message.endswith(": the scheduler does not answer any more; the same command continues the study")
    assert next(event for event in events if isinstance(event, TrialStarted)).continued


def test_restart_begins_a_new_study(study, trials):
    study(trials=2)
    result, events = study("model.quantize=32", trials=2, restart=True)
    assert len(trials.commands) == 4
    assert result.trials == {"done": 2}
    assert next(event.trial for event in events if isinstance(event, TrialStarted)) == 0


def test_a_prepared_folder_is_used_as_it_is(study, corpus, tmp_path, clock, trials):
    settings = read_settings(assignments=["model.family=ngram"])
    options = TuneOptions(limit_seconds=1000.0, trials=1)

    tune([str(corpus.folder)], tmp_path / "model", settings, options, clock=clock, run=trials)

    assert trials.commands[0].corpus == corpus.folder
    assert not (tmp_path / "model" / "tuning" / "corpus").exists()


def test_what_cannot_be_tuned(study, tmp_path):
    assert "standard input cannot be read twice" in refusal(study, sources=["-"])
    assert "training.init_from: has no effect with model.family ngram" in refusal(
        study, "training.init_from=current"
    )
    refusal(study, sources=[str(tmp_path / "none.txt")], kind=InputMissingError)
    assert not (tmp_path / "model").exists()


def test_a_network_is_not_tuned_from_an_older_model(sentences, tmp_path):
    settings = read_settings(assignments=["training.init_from=current"])
    with pytest.raises(UsageError, match="trials start from random weights; leave it out"):
        tune([sentences], tmp_path / "model", settings, TuneOptions(limit_seconds=9999.0))
    assert not (tmp_path / "model").exists()


def test_without_validation_text_nothing_can_be_compared(sentences, tmp_path, clock, trials):
    settings = read_settings(assignments=["model.family=ngram", "validation.fraction=0"])
    with pytest.raises(UsageError, match="the corpus has none; set --valid or --valid-fraction"):
        tune([sentences], tmp_path / "model", settings, TuneOptions(limit_seconds=99.0), clock=clock, run=trials)


def test_two_runs_cannot_share_a_study(study, tmp_path):
    study(trials=1)
    with locked(tmp_path / "model" / "tuning"):
        refusal(study, kind=LockedError)


def test_a_damaged_record_is_named(study, tmp_path):
    study(trials=1)
    path = tmp_path / "model" / "tuning" / "study.json"
    path.write_text(path.read_text()[:50])
    message = refusal(study, kind=DataError)
    assert message.startswith(f"{path}: ")
    assert message.endswith("; --restart begins a new study")


def test_restart_begins_a_new_study_whatever_is_in_the_place_of_the_old_one(study, trials, tmp_path):
    study(trials=1)
    folder = tmp_path / "model" / "tuning"
    for name in ("study.json", "study.db"):
        (folder / name).unlink()
        (folder / name / "folder").mkdir(parents=True)
    shutil.rmtree(folder / "corpus")
    (folder / "corpus").write_text("a file")

    result, _ = study(trials=1, restart=True)

    assert result.trials == {"done": 1}
    assert (folder / "study.json").is_file()
    assert (folder / "corpus" / "corpus.json").is_file()


def test_the_gate_keeps_the_published_model(study, sentences, held_out, tmp_path):
    # It has read the validation text, so it is better than any other model.
    (tmp_path / "both.txt").write_text(Path(sentences).read_text() + 3 * Path(held_out).read_text())
    settings = read_settings(assignments=["model.family=ngram", f"validation.file={held_out}"])
    train([str(tmp_path / "both.txt")], tmp_path / "model", settings)

    refused = refusal(study, "publishing.shrink_tolerance=1", kind=QualityGateError, trials=2)

    assert "not published" in refused
    assert (tmp_path / "model" / "tuning" / "best.yaml").exists()
    assert (tmp_path / "model" / "current").readlink().name == "000001"


# The command, which is killed when the process of its second trial tells of its first event.
KILLED_MIDWAY = """
import os, signal
from lmctl.jobs.tune.search import Search
def is_cut(search, number, event, before=Search._is_cut):
    if number > 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return before(search, number, event)
Search._is_cut = is_cut
from lmctl.cli import main
main()
"""


def test_a_killed_study_is_continued(sentences, held_out, tmp_path):
    arguments = [
        "tune", sentences, "-o", str(tmp_path / "model"), "--valid", held_out, "--time-limit", "1h",
        "--trials", "3", "--set", "model.family=ngram", "--log-json", str(tmp_path / "second.jsonl"), "--json",
    ]  # fmt: skip
    killed = subprocess.run([sys.executable, "-c", KILLED_MIDWAY, *arguments[:-3]], capture_output=True)
    assert killed.returncode == -signal.SIGKILL

    finished = subprocess.run(
        [sys.executable, "-m", "lmctl", *arguments], capture_output=True, text=True, check=True
    )

    events = [json.loads(line) for line in (tmp_path / "second.jsonl").read_text().splitlines()]
    started = [event for event in events if event["event"] == "trial_started"]
    assert started[0]["continued"]
    assert [event["continued"] for event in started[1:]] == [False] * (len(started) - 1)
    (study,) = (event for event in events if event["event"] == "study_started")
    assert study["decided"] == 1
    result = json.loads(finished.stdout)
    assert result["trials"] == {"done": 3}
    assert not [*(tmp_path / "model" / "tuning" / "trials").iterdir()]


@pytest.mark.slow
def test_networks_are_tuned(sentences, held_out, tmp_path):
    (tmp_path / "space.yaml").write_text(
        "model: {hidden_units: {min: 4, max: 16, step: 4}, embedding_dim: 8}\n"
        "training: {epochs: 3, with_ngram: false, learning_rate: {min: 0.001, max: 0.1, log: true}}\n"
    )
    finished = subprocess.run(
        [
            sys.executable, "-m", "lmctl", "tune", sentences, "-o", str(tmp_path / "model"), "--valid", held_out,
            "--time-limit", "2h", "--space", str(tmp_path / "space.yaml"), "--trials", "3", "--json",
            "--log-json", str(tmp_path / "log.jsonl"), "--set", "device.placement=cpu",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    result = json.loads(finished.stdout)
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    points = [event for event in events if event["event"] == "trial_point"]
    assert sum(result["trials"].values()) == 3
    # The first trial has all three points: there is nothing to compare it with.
    assert [event["point"] for event in points if event["trial"] == 0] == [1, 2, 3]
    bundle = open_bundle(Path(result["trained"]["published"]))
    config = bundle.config()
    assert (config.model.embedding_dim, config.training.epochs) == (8, 3)
