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
from lmctl.version import package_folder

# More kills could by chance end the same item three times, which ends the work.
KILLS = 2
# Of the long version.
RUNS = 10


def _kill_workers(chance, killed, is_over):
    """Kill workers of this process's cluster at random instants, until the work is over."""
    while len(killed) < KILLS and not is_over.wait(chance.uniform(0.0, 0.3)):
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


@pytest.mark.slow
def test_a_corpus_has_the_same_bytes_if_workers_are_killed(tmp_path, monkeypatch, dice, many):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 9)
    text, config = package_folder() / "corpora" / "zh.txt", read_settings((), (), {}).resolve()
    prepare([str(text)], tmp_path / "one", config, jobs=1)

    kills = 0
    for run in range(RUNS if many else 1):
        corpus, killed, is_over = tmp_path / f"many-{run}", set(), threading.Event()
        killer = threading.Thread(target=_kill_workers, args=(dice, killed, is_over))
        with local_cluster(2, tmp_path) as address:
            killer.start()
            try:
                prepare([str(text)], corpus, config, scheduler=address)
            finally:
                is_over.set()
                killer.join()
        kills += len(killed)
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (corpus / path.name).read_bytes()

    assert kills > 0
