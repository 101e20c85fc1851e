"""`lmctl train`: short runs on four sentences, what they print, and how signals end them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from folders import contents
from late_publishing import publishing_after
from short_training import QUICK
from waiting import LONGEST_SECONDS, wait_until


@pytest.fixture(scope="module")
def run(lmctl, corpora, tmp_path_factory):
    """A folder with models/four-sentences, trained there, and the output of the command."""
    folder = tmp_path_factory.mktemp("training")
    shutil.copy(corpora / "four-sentences.txt", folder)
    watching = ("--log-json", "log.jsonl", "--status-file", "lmctl.prom", "--nice", "3")
    return folder, lmctl("train", "four-sentences.txt", *QUICK, *watching, "--json", "-q", cwd=folder)


def test_json_is_the_summary_of_the_run(run):
    _, finished = run

    found = json.loads(finished.out)
    assert (finished.code, finished.err) == (0, "")
    assert {
        *("published", "model", "preset", "epochs", "best_epoch", "steps", "tokens", "vocabulary_size"),
        *("parameters", "train_perplexity", "valid_perplexity", "valid_oov_rate", "valid_state"),
    } <= set(found)
    assert found["published"] == "models/four-sentences/generations/000001"
    assert found["model"] == "models/four-sentences"
    assert (found["preset"], found["epochs"], found["tokens"]) == ("tiny", 3, 3 * 25)
    assert found["valid_perplexity"] is None
    assert 1 < found["train_perplexity"] < 100


def test_without_a_terminal_only_the_path_is_printed(lmctl, corpora, tmp_path):
    # 5,000 tokens, all of them in the vocabulary, as in most texts by default.
    finished = lmctl(
        *("train", corpora / "en.txt", "-o", "model", *QUICK, "--epochs", "1"),
        *("--set", "training.with_ngram=false"),
        cwd=tmp_path,
    )

    assert (finished.code, finished.out, finished.err) == (0, "model/generations/000001\n", "")


def test_the_run_told_of_itself_from_its_start_to_its_end(run):
    folder, finished = run

    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    kinds = [event["event"] for event in events if event["event"] not in ("progress", "text_read")]
    assert kinds == [
        *("run_started", "lock_taken", "prepared", "training_started"),
        *["checkpoint_saved", "epoch_done"] * 3,
        "run_ended",
    ]
    assert (events[0]["model"], events[0]["settings"]["training.epochs"]) == ("models/four-sentences", 3)
    assert (events[-1]["outcome"], events[-1]["exit_code"]) == ("published", 0)
    assert events[-1]["figures"]["train_perplexity"] == json.loads(finished.out)["train_perplexity"]


def test_the_status_file_says_how_the_run_ended(run):
    folder, _ = run

    status = (folder / "lmctl.prom").read_text()
    assert 'lmctl_train_running{model="models/four-sentences"} 0.0\n' in status
    assert 'lmctl_train_outcome{model="models/four-sentences",outcome="published"} 1.0\n' in status
    assert 'lmctl_train_tokens{model="models/four-sentences"} 75.0\n' in status


def test_the_published_model_answers_and_is_sound(lmctl, run):
    folder, _ = run

    predicted = lmctl("predict", "--format", "words", "编程", cwd=folder)
    verified = lmctl("verify", cwd=folder)

    assert (predicted.code, predicted.err) == (0, "")
    assert len(predicted.out.split()) == 5
    assert verified.out == "models/four-sentences/generations/000001: ok\n"


def test_info_tells_of_the_run(lmctl, run):
    folder, finished = run

    found = json.loads(lmctl("info", "--json", cwd=folder).out)

    summary = json.loads(finished.out)
    assert found["training"]["epochs"] == 3
    assert found["training"]["parameters"] == summary["parameters"]
    assert found["sizes"]["hidden_units"] == 16
    assert found["recipe"]["segmenter"]["name"] == "jieba"
    assert [source["name"] for source in found["corpus"]["sources"]] == [str(folder / "four-sentences.txt")]


def test_the_name_of_other_sources_model_is_refused_before_training(call, run, monkeypatch):
    folder, _ = run
    monkeypatch.chdir(folder)
    (folder / "elsewhere").mkdir(exist_ok=True)
    (folder / "elsewhere/four-sentences.txt").write_bytes(b"something else\n")

    finished = call("train", "elsewhere/four-sentences.txt")

    assert finished.code == 2
    assert finished.err.count("\n") == 1
    assert "models/four-sentences was trained on other sources" in finished.err


@pytest.mark.parametrize(("problem", "code"), [("empty.txt", 65), ("missing.txt", 66)])
def test_a_run_that_fails_leaves_the_published_model_as_it_was(call, run, monkeypatch, problem, code):
    folder, _ = run
    monkeypatch.chdir(folder)
    (folder / "empty.txt").write_bytes(b"")
    before = contents(folder / "models/four-sentences/current")

    finished = call("train", problem, "-o", "models/four-sentences")

    assert finished.code == code
    assert finished.err.count("\n") == 1
    assert (folder / "models/four-sentences/current").readlink().name == "000001"
    assert contents(folder / "models/four-sentences/current") == before
    assert [path.name for path in (folder / "models/four-sentences/generations").iterdir()] == ["000001"]


@pytest.mark.slow
def test_a_signal_ends_training_and_the_earlier_generation_stays_current(
    command, clean_environment, run, tmp_path
):
    folder, _ = run
    runs = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        model = shutil.copytree(folder / "models/four-sentences", tmp_path / number.name, symlinks=True)
        runs[number] = subprocess.Popen(
            [
                *(*command, "train", folder / "four-sentences.txt", "-o", model, *QUICK, "--verbose"),
                *("--epochs", "100000", "--set", "training.patience=100000", "--no-gate"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )
    for number, process in runs.items():
        for line in process.stderr:
            if line.startswith("lmctl: epoch 2 "):
                break
        process.send_signal(number)
    for number, process in runs.items():
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        model = tmp_path / number.name
        assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], err
        assert out == ""
        assert "Traceback" not in err
        assert err.splitlines()[-1].startswith("lmctl: interrupted; nothing was published, and the same command ")
        assert (model / "work/checkpoint").is_file()
        assert (model / "current").readlink().name == "000001"
        assert contents(model / "current") == contents(folder / "models/four-sentences/current")


@pytest.mark.slow
@pytest.mark.parametrize(
    "ignored",
    [pytest.param(False, id="closed"), pytest.param(True, id="closed under nohup", marks=pytest.mark.long)],
)
def test_a_terminal_that_is_closed_ends_training_with_a_checkpoint(command, clean_environment, text, ignored):
    screen, terminal = pty.openpty()
    end = "40" if ignored else "100000"

    def take_the_terminal():
        os.setsid()
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [*command, "train", text, "-o", "model", *QUICK, "--epochs", end, "--set", "training.patience=100000"],
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env=clean_environment(TERM="xterm"),
        preexec_fn=take_the_terminal,
    )
    os.close(terminal)
    shown = b""
    while b"epoch" not in shown:
        shown += os.read(screen, 4096)

    os.close(screen)

    assert process.wait(LONGEST_SECONDS) == (0 if ignored else 128 + signal.SIGHUP)
    assert Path("model/current").exists() is ignored
    assert Path("model/work/checkpoint").exists() is not ignored
    (run,) = [json.loads(line) for line in Path("model/runs.jsonl").read_text().splitlines()]
    assert run["outcome"] == ("published" if ignored else "interrupted")


@pytest.mark.long
@pytest.mark.slow
def test_of_three_runs_at_once_one_trains_and_the_others_exit_75_and_name_it(clean_environment, text, tmp_path):
    # The one that trains ends last, whenever the others begin.
    permission = tmp_path / "the others have ended"
    arguments = [sys.executable, "-c", publishing_after(permission), "train", text, "-o", "model", *QUICK]
    runs = [
        subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
        )
        for _ in range(3)
    ]
    wait_until(lambda: sum(run.poll() is not None for run in runs) >= 2)
    permission.touch()

    ends = sorted(
        ((*run.communicate(timeout=LONGEST_SECONDS), run) for run in runs), key=lambda end: end[2].returncode
    )

    assert [run.returncode for _, _, run in ends] == [0, 75, 75]
    assert ends[0][0] == "model/generations/000001\n"
    for out, err, _ in ends[1:]:
        assert (out, err.count("\n")) == ("", 1)
        assert f"(process {ends[0][2].pid} on " in err


def test_the_same_command_again_prints_the_path_and_imports_nothing_heavy(lmctl, run, tmp_path):
    folder, _ = run
    # Importing TensorFlow raises, as if it were not installed.
    (tmp_path / "tensorflow.py").write_text("raise ImportError")

    # The options of watching and niceness do not change the model, so they are not part of the request.
    watching = ("--log-json", tmp_path / "log.jsonl", "--status-file", tmp_path / "lmctl.prom", "--nice", "9")
    again = lmctl("train", "four-sentences.txt", *QUICK, *watching, cwd=folder, env={"PYTHONPATH": str(tmp_path)})

    assert (again.code, again.out, again.err) == (0, "models/four-sentences/generations/000001\n", "")
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(event["event"], event.get("outcome")) for event in events] == [
        ("run_started", None),
        ("run_ended", "unchanged"),
    ]
    assert 'outcome="unchanged"} 1.0\n' in (tmp_path / "lmctl.prom").read_text()
    verbose = lmctl("train", "four-sentences.txt", *QUICK, "-v", cwd=folder)
    path = "models/four-sentences/generations/000001"
    assert verbose.err == f"lmctl: texts and settings are unchanged since the last run: {path} stays current\n"


@pytest.mark.parametrize("option", ["--log-json", "--status-file"])
def test_a_record_that_cannot_be_written_is_an_error_before_anything_starts(call, text, tmp_path, option):
    finished = call("train", text, "-o", "model", option, tmp_path / "missing/file.prom")

    assert finished.code == 74
    assert finished.err == (
        f"lmctl: {tmp_path}/missing/file.prom: there is no folder {tmp_path}/missing; make it first\n"
    )
    assert not (tmp_path / "model").exists()


def test_a_run_that_fails_before_it_begins_is_told_of_on_standard_error(lmctl, tmp_path):
    finished = lmctl("train", "missing.txt", "-o", "model", "--log-json", "-", cwd=tmp_path)

    assert finished.code == 66
    *events, message = finished.err.splitlines()
    found = [json.loads(line) for line in events]
    assert [event["event"] for event in found] == ["run_started", "run_ended"]
    assert (found[-1]["outcome"], found[-1]["exit_code"]) == ("failed", 66)
    assert message == f"lmctl: {found[-1]['message']}"
    assert not (tmp_path / "model").exists()


# Prints the niceness of the process when the run begins.
NICENESS = """
import os, sys
from lmctl import cli
from lmctl.jobs.train import run as job
def show(*_, **__):
    print(os.getpriority(os.PRIO_PROCESS, 0))
    raise SystemExit(0)
job.train = show
cli.run(["train", "text", "-o", "model", *sys.argv[1:]])
"""


@pytest.mark.parametrize(("options", "added"), [((), 0), (("--nice", "4"), 4)])
def test_niceness_is_added_before_the_run_begins(clean_environment, options, added):
    done = subprocess.run(
        [sys.executable, "-c", NICENESS, *options],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=True,
    )

    assert int(done.stdout) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + added)
