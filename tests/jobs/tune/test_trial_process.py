import contextlib
import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import LONGEST_SECONDS

from lmctl.jobs.tune import trial_process
from lmctl.jobs.tune.trial_process import TrialCommand, run_trial
from lmctl.store.bundle import open_bundle
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import is_locked, locked


@pytest.fixture
def command(corpus, tmp_path):
    """`command("model: ...")`: a trial with these settings."""

    def make(settings="model: {family: ngram, order: 2}"):
        (tmp_path / "trial.yaml").write_text(settings)
        return TrialCommand(corpus.folder, tmp_path / "trial", tmp_path / "trial.yaml", curve_points=0)

    return make


@pytest.fixture
def waits(tmp_path):
    """A context: until it is closed, the trial waits for a lock, so it does not end before the test has acted."""
    ModelFolder.create(tmp_path / "trial")
    with contextlib.ExitStack() as lock:
        lock.enter_context(locked(tmp_path / "trial"))
        yield lock


def test_a_trial_is_an_ordinary_run(command):
    events = []

    def keep(event):
        events.append(event)
        return False

    end = run_trial(command(), keep, lambda: False)

    assert (end.exit_code, end.was_cut, end.was_stopped, end.message) == (0, False, False, None)
    assert [events[0]["event"], events[-1]["event"]] == ["run_started", "run_ended"]
    assert ModelFolder(command().model).current() is not None


def test_the_message_of_a_trial_that_fails(command):
    end = run_trial(command("model: {family: ngram, oder: 2}"), lambda _: False, lambda: False)
    assert (end.exit_code, end.message) == (
        2,
        f"{command().settings}: model.oder: unknown key; did you mean model.order?",
    )


def test_a_trial_is_cut_at_an_event(command):
    seen = []

    def is_to_be_cut(event):
        seen.append(event["event"])
        return event["event"] == "prepared"

    end = run_trial(command(), is_to_be_cut, lambda: False)

    # It may have ended before the signal came.
    assert end.was_cut
    assert end.exit_code in (0, -signal.SIGKILL)
    assert seen[-1] == "prepared"


def test_a_trial_is_cut_by_an_order(command):
    end = run_trial(command(), lambda _: False, lambda: False, is_cut=lambda: True)
    assert (end.was_cut, end.was_stopped) == (True, False)
    assert end.exit_code in (0, -signal.SIGKILL)


def test_a_trial_starts_no_cluster_of_its_own_and_hears_signals(command, waits, monkeypatch):
    # A cluster of this name would be refused.
    monkeypatch.setenv("LMCTL_SCHEDULER", "none")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    seen = []

    def read_mask(event):
        if event["event"] == "run_started":
            status = Path(f"/proc/{event['pid']}/status").read_text()
            seen.append(int(re.search("SigBlk:\t([0-9a-f]+)", status)[1], 16))
            # It may block signals for a moment later, when it starts a process.
            waits.close()
        return False

    try:
        end = run_trial(replace(command(), threads=3), read_mask, lambda: False)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert (end.exit_code, end.message) == (0, None)
    assert seen == [0]
    assert open_bundle(ModelFolder(command().model).current()).config().device.threads == 3


@pytest.mark.usefixtures("waits")
def test_a_trial_is_stopped(command, monkeypatch):
    monkeypatch.setattr(trial_process, "SECONDS_TO_END", LONGEST_SECONDS)
    end = run_trial(command(), lambda _: False, lambda: True)
    assert end.was_stopped
    assert end.exit_code in (128 + signal.SIGTERM, -signal.SIGTERM)


@pytest.mark.usefixtures("waits")
def test_a_process_that_is_killed_is_named(command):
    def kill(event):
        if event["event"] == "run_started":
            os.kill(event["pid"], signal.SIGKILL)
        return False

    end = run_trial(command(), kill, lambda: False)

    assert end.exit_code == -signal.SIGKILL
    assert end.message == (
        "its process was killed by SIGKILL; the kernel ends a process like this if memory is short"
    )


def test_modules_of_the_current_folder_are_not_imported(command, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "msgspec.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path / "here")
    assert run_trial(command(), lambda _: False, lambda: False).exit_code == 0


def test_a_trial_ends_if_the_study_is_killed(command, waits):
    with trial_process._started(command().arguments()) as process:
        event = json.loads(process.stderr.readline())
        assert event["event"] == "run_started"
        # The kernel closes the pipe in this way if this process is killed.
        process.stdin.close()
        process.wait(LONGEST_SECONDS)
    assert process.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
    waits.close()
    assert not is_locked(command().model)
