"""Runs trials on the workers of a Dask cluster, one on each: `lmctl train` in a process that the worker starts."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from lmctl.corpus.prepared import CORPUS_FILE
from lmctl.jobs.cluster.steered import Done, Report, steered
from lmctl.jobs.cluster.steered_side import STOP
from lmctl.jobs.cluster.worker_side import UnsuitableError
from lmctl.jobs.tune.trial_process import TrialCommand, TrialEnd, run_trial
from lmctl.records import read_regular
from lmctl.version import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lmctl.jobs.cluster.connection import Connection
    from lmctl.jobs.cluster.steered import SteeredTasks
    from lmctl.jobs.cluster.steered_side import Steering

CUT = "cut"
# Seconds between two looks at signals and at the end of time.
TICK_SECONDS = 0.5


class TrialOnWorker:
    """Runs a trial on a worker.

    Args:
        corpus: folder of the prepared corpus.
    """

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus.absolute()
        # It has the hashes of all other files of the corpus.
        self._record = _record_of(self._corpus)

    def versions(self) -> dict[str, str]:
        """The versions on which a training depends. Of Python, the third part may differ."""
        return {name: version for name, version in versions().items() if name != "python"}

    def folders(self) -> list[Path]:
        """The folders that a worker reads."""
        return [self._corpus]

    def check_worker(self) -> None:
        """Check that this worker has the corpus of the client, and not another one under the same path.

        Raises:
            UnsuitableError: it has another one.
        """
        if _record_of(self._corpus) != self._record:
            raise UnsuitableError(f"has another corpus in the folder {self._corpus}; expected that of the client")

    def __call__(self, command: TrialCommand, steering: Steering) -> TrialEnd:
        """Run a trial, report the points of its curve, and end it if the client orders so."""

        def report(event: dict[str, Any]) -> bool:
            if event.get("event") == "curve_point":
                steering.report(event)
            return False

        return run_trial(command, report, lambda: steering.order() == STOP, is_cut=lambda: steering.order() == CUT)


def _record_of(corpus: Path) -> bytes | None:
    """The record of a prepared corpus; None: there is none."""
    try:
        return read_regular(corpus / CORPUS_FILE)
    except OSError:
        return None


@contextlib.contextmanager
def cluster_places(connection: Connection, folder: Path, corpus: Path, threads: int) -> Iterator[ClusterPlaces]:
    """The workers of a cluster, for the time of a block. Trials that run at its end are stopped.

    Args:
        connection: the connection to the cluster.
        folder: of the study; all workers must see it.
        corpus: folder of the prepared corpus; all workers must see it.
        threads: number of threads of each trial; 0: the cores of its worker, which workers of a host share.

    Raises:
        UnavailableError: the cluster does not answer, or a worker cannot run trials.
    """
    with steered(connection, folder.absolute(), TrialOnWorker(corpus)) as tasks:
        yield ClusterPlaces(tasks, threads)


class ClusterPlaces:
    """The workers of a cluster. See `Places`.

    Args:
        tasks: the trials that run.
        threads: see `cluster_places`.
    """

    def __init__(self, tasks: SteeredTasks, threads: int) -> None:
        self._tasks, self._threads = tasks, threads
        self._running: set[int] = set()
        self._asked: set[int] = set()
        self._free: str | None = None

    def has_room(self) -> bool:
        """See `Places`."""
        self._free = next(iter(self._tasks.free()), None)
        return self._free is not None

    def start(self, number: int, command: TrialCommand) -> str:
        """See `Places`. If the worker has died since `has_room`, the trial is lost."""
        worker, self._free = self._free, None
        if worker is None:
            raise ValueError("no worker is free")
        threads = self._threads or self._tasks.cores_of(worker)
        self._tasks.start(number, worker, dataclasses.replace(command, threads=threads))
        self._running.add(number)
        return worker

    def wait(
        self, is_to_be_cut: Callable[[int, dict[str, Any]], bool], is_over: Callable[[int], bool]
    ) -> tuple[int, TrialEnd] | None:
        """See `Places`."""
        for number in self._running - self._asked:
            if is_over(number):
                self._order(number, STOP)
        news = self._tasks.wait(TICK_SECONDS)
        if news is None:
            return None
        if isinstance(news, Report):
            if news.number not in self._asked and is_to_be_cut(news.number, news.content):
                self._order(news.number, CUT)
            return None
        self._running.discard(news.number)
        self._asked.discard(news.number)
        if news.order == CUT:
            # It may have ended, or its worker may have died, before the order came.
            return news.number, TrialEnd(was_cut=True)
        if not isinstance(news, Done):
            message = f"its worker {news.worker} died, or lost the connection"
            if news.order == STOP:
                return news.number, TrialEnd(was_stopped=True, message=message)
            return news.number, TrialEnd(was_lost=True, has_killed=True, message=message)
        end: TrialEnd = news.result
        if end.was_stopped and news.order is None:
            end.was_lost, end.message = True, "its worker did not hear of this command for a while"
        return news.number, end

    def _order(self, number: int, order: str) -> None:
        """Ask a trial to end, once."""
        self._asked.add(number)
        self._tasks.order(number, order)
