"""Workers of a cluster are killed at random instants while a text is prepared: the corpus has the same bytes."""

from __future__ import annotations

import contextlib
import threading

import psutil
import pytest

from lmctl.config import read_settings
from lmctl.jobs import prepare as module
from lmctl.jobs.cluster.local import local_cluster
from lmctl.jobs.prepare import prepare
from lmctl.progress import listening
from lmctl.version import package_folder

# More kills could by chance end the same item three times, which ends the work.
KILLS = 2
# Of the long version.
RUNS = 10


def _kill_a_worker(chance, killed):
    """Kill a worker of this process's cluster, unless it has just been killed."""
    # A process may end while it is looked at.
    with contextlib.suppress(psutil.Error):
        workers = [
            process
            for process in psutil.Process().children(recursive=True)
            if any("import work;" in argument for argument in process.cmdline())
        ]
        if workers and (victim := chance.choice(workers)).pid not in killed:
            victim.kill()
            killed.add(victim.pid)


def _kill_others(chance, killed, is_over):
    """Kill workers at random instants after the first one, until the work is over."""
    while len(killed) < KILLS and not is_over.wait(chance.uniform(0.0, 0.3)):
        if killed:
            _kill_a_worker(chance, killed)


@pytest.mark.slow
def test_a_corpus_has_the_same_bytes_if_workers_are_killed(tmp_path, monkeypatch, dice, many):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 9)
    text, config = package_folder() / "corpora" / "zh.txt", read_settings((), (), {}).resolve()
    prepare([str(text)], tmp_path / "one", config, jobs=1)

    for run in range(RUNS if many else 1):
        corpus, killed, is_over = tmp_path / f"many-{run}", set(), threading.Event()
        killer = threading.Thread(target=_kill_others, args=(dice, killed, is_over))

        def kill_the_first(*_report, killed=killed):
            # However fast the machine is, one dies in the midst of the work.
            if not killed:
                _kill_a_worker(dice, killed)

        with local_cluster(2, tmp_path) as address:
            killer.start()
            try:
                with listening(kill_the_first):
                    prepare([str(text)], corpus, config, scheduler=address)
            finally:
                is_over.set()
                killer.join()
        assert killed
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (corpus / path.name).read_bytes()
