"""A study on a cluster, if workers are killed at random instants, and if the command is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from lmctl.config import read_settings
from lmctl.jobs.cluster.connection import Connection
from lmctl.jobs.cluster.local import local_cluster
from lmctl.jobs.tune.options import TuneOptions
from lmctl.jobs.tune.run import tune
from lmctl.jobs.tune.search import MOST_DEATHS
from lmctl.jobs.watching.events import ignore_event
from lmctl.jobs.watching.tuning_events import TrialStarted
from lmctl.version import package_folder

TEXT = str(package_folder() / "corpora" / "en.txt")
# Without results, the first five configurations do not depend on the order in which trials end.
TRIALS = 5
# More kills could by chance hit the same trial each time, which fails it.
KILLS = MOST_DEATHS - 1


def processes(word):
    """The processes with a word in their arguments that this process has started, and theirs."""
    found = []
    for process in psutil.Process().children(recursive=True):
        # A process may end while it is looked at.
        with contextlib.suppress(psutil.Error):
            if any(word in argument for argument in process.cmdline()):
                found.append(process)
    return found


def _kill_a_worker(killed, chance):
    workers = [process for process in processes("import work;") if process.pid not in killed]
    if workers:
        victim = chance.choice(workers)
        victim.kill()
        killed.add(victim.pid)


def _kill_workers(killed, chance, is_over):
    while len(killed) < KILLS and not is_over.wait(chance.uniform(0.5, 6.0)):
        _kill_a_worker(killed, chance)


def _study(folder, scheduler, on_event=ignore_event):
    options = TuneOptions(limit_seconds=7200.0, trials=TRIALS, scheduler=scheduler)
    return tune([TEXT], folder, read_settings(assignments=["model.family=ngram"]), options, on_event)


@pytest.mark.slow
@pytest.mark.long
def test_a_study_of_ngrams_has_the_same_best_trial_if_workers_are_killed(tmp_path, dice):
    killed, is_over = set(), threading.Event()
    killer = threading.Thread(target=_kill_workers, args=(killed, dice, is_over))

    def kill_at_the_start(event):
        # However fast the machine is, one dies in the midst of the study.
        if isinstance(event, TrialStarted) and not killed:
            _kill_a_worker(killed, dice)

    whole = _study(tmp_path / "whole", None)

    with local_cluster(2, tmp_path) as address:
        with Connection(address) as connection:
            connection.wait_for_workers(2)
        killer.start()
        try:
            result = _study(tmp_path / "killed", address, kill_at_the_start)
        finally:
            is_over.set()
            killer.join()

    assert killed
    assert result.trials == {"done": TRIALS}
    assert (result.best, result.values) == (whole.best, whole.values)
    assert result.trial_perplexity == whole.trial_perplexity
    assert result.trained.valid_perplexity == result.trial_perplexity


@pytest.mark.slow
@pytest.mark.long
def test_trials_end_if_the_command_is_killed(tmp_path):
    arguments = ["tune", TEXT, "-o", str(tmp_path / "model"), "--time-limit", "2h", "--set", "preset=tiny"]
    with local_cluster(2, tmp_path) as address:
        with Connection(address) as connection:
            connection.wait_for_workers(2)
        with subprocess.Popen(
            [sys.executable, "-m", "lmctl", *arguments, "--scheduler", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as command:
            # Two networks are trained for many minutes.
            wait_until(lambda: len(processes("jobs.tune.child")) == 2)
            os.kill(command.pid, signal.SIGKILL)
        # The workers live, and notice that they hear nothing.
        wait_until(lambda: not processes("jobs.tune.child"))
        assert len(processes("import work;")) == 2
    assert {path.name for path in Path(tmp_path / "model" / "tuning" / "trials").iterdir()} >= {"0000", "0001"}
