"""Functions applied on a cluster: results in order, errors, and workers that cannot do the work or die."""

from __future__ import annotations

import operator
import os
import signal
from pathlib import Path

import psutil
import pytest

from lmctl.errors import LmctlError, UnavailableError
from lmctl.jobs.cluster import connection, worker_side
from lmctl.jobs.cluster.connection import Connection
from lmctl.jobs.cluster.local import local_cluster
from lmctl.jobs.cluster.scheduled import scheduled
from lmctl.text.segmentation import make_segmenter

# A worker evaluates it.
OWN_PROCESS = "__import__('time').sleep(0.2) or __import__('os').getpid()"


def test_results_are_in_the_order_of_the_items_and_at_most_two_are_taken_for_each_worker(address, tmp_path):
    taken, results = [], []

    def items():
        for number in range(30):
            taken.append(number)
            yield number

    with scheduled(address, tmp_path) as ordered_map:
        for result in ordered_map(operator.neg, items()):
            results.append(result)
            assert len(taken) - len(results) < 4

    assert results == [-number for number in range(30)]
    assert not list(tmp_path.iterdir())


def test_equal_items_are_each_worked_on(address, tmp_path):
    with scheduled(address, tmp_path) as ordered_map:
        assert list(ordered_map((tmp_path / "made").mkdir, [0o700])) == [None]
        with pytest.raises(FileExistsError):
            list(ordered_map((tmp_path / "made").mkdir, [0o700]))


def test_an_exception_of_the_function_is_raised_as_itself(address, tmp_path):
    with scheduled(address, tmp_path) as ordered_map:
        with pytest.raises(ZeroDivisionError) as caught:
            list(ordered_map((1).__truediv__, [1, 0, 1]))
        with pytest.raises(LmctlError, match="nothing: unknown segmenter") as of_lmctl:
            list(ordered_map(make_segmenter, ["space", "nothing"]))

    assert "in a worker process" in str(caught.value.__cause__)
    assert of_lmctl.value.exit_code == 2


def test_the_items_of_a_worker_that_is_killed_are_done_by_others(address, tmp_path):
    with scheduled(address, tmp_path) as ordered_map:
        processes = []
        for process in ordered_map(eval, [OWN_PROCESS] * 12):
            processes.append(process)
            if len(processes) == 3:
                os.kill(process, signal.SIGKILL)

    assert len(processes) == 12
    # Of the items that were in progress or done at the kill, the killed process may have done some.
    assert processes[2] not in processes[-3:]


def test_a_worker_that_stands_still_is_not_waited_for(address, tmp_path, monkeypatch):
    with scheduled(address, tmp_path) as ordered_map:
        standing = next(ordered_map(eval, ["__import__('os').getpid()"]))
        os.kill(standing, signal.SIGSTOP)
        # The limit is for this worker alone: the scheduler is not asked.
        monkeypatch.setattr(Connection, "workers", lambda self: self._workers)
        monkeypatch.setattr(connection, "SECONDS_TO_ANSWER", 2.0)
        try:
            with pytest.raises(UnavailableError, match=r": a worker does not answer within 2 seconds; end it,"):
                list(ordered_map(operator.neg, [1]))
        finally:
            os.kill(standing, signal.SIGCONT)


def test_a_scheduler_that_is_killed_ends_the_work(tmp_path):
    with local_cluster(1, tmp_path) as address:
        (supervisor,) = [
            process for process in psutil.Process().children() if str(tmp_path) in " ".join(process.cmdline())
        ]
        with scheduled(address, tmp_path) as ordered_map:
            results = ordered_map(eval, [OWN_PROCESS] * 100)
            next(results)
            supervisor.kill()
            with pytest.raises(
                UnavailableError,
                match=rf"^{address}: the scheduler does not answer any more; nothing was published$",
            ):
                list(results)


def test_an_item_that_kills_its_workers_ends_the_work_with_its_name(address, tmp_path, capfd):
    def describe(number):
        return f"text.txt: line {number}"

    with (
        scheduled(address, tmp_path, describe) as ordered_map,
        pytest.raises(
            LmctlError, match=r"^text.txt: line 9: 3 workers died with this part of the work;"
        ) as caught,
    ):
        list(ordered_map(signal.raise_signal, [0, 0, signal.SIGKILL, 0]))

    assert caught.value.exit_code == 1
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_does_not_see_the_folder_is_named(address, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Every process sees another folder under this path.
    folder = Path("/proc/self/cwd") / "shared"
    folder.mkdir()

    with (
        scheduled(address, folder) as ordered_map,
        pytest.raises(
            UnavailableError,
            match=r"^worker tcp://127\.0\.0\.1:\d+ cannot read the folder /proc/self/cwd/shared "
            r"\(No such file or directory\), which all workers must see under this path$",
        ) as caught,
    ):
        list(ordered_map(operator.neg, [1]))

    assert caught.value.exit_code == 69


@pytest.mark.parametrize(
    ("name", "message"),
    [("rjieba", "has rjieba [0-9.]+; expected 0.0.1,"), ("nothing", "does not have nothing; expected 0.0.1,")],
)
def test_a_worker_with_another_version_is_named(address, tmp_path, monkeypatch, name, message):
    here = worker_side._versions_here()
    monkeypatch.setattr(worker_side, "_versions_here", lambda: here | {name: "0.0.1"})

    with (
        scheduled(address, tmp_path) as ordered_map,
        pytest.raises(
            UnavailableError, match=rf"^worker tcp://127\.0\.0\.1:\d+ {message} the version of the client$"
        ),
    ):
        list(ordered_map(operator.neg, [1]))


class KillsOneWorker:
    """The negative of a number. The first worker that reads it dies.

    Args:
        folder: where the first worker leaves a mark.
    """

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, number):
        return -number

    def check_worker(self):
        try:
            (self.folder / "killed").mkdir()
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_while_it_is_checked_is_passed_over(address, tmp_path):
    with Connection(address) as connection:
        # One that an earlier test has killed has been replaced.
        connection.wait_for_workers(2)
    with scheduled(address, tmp_path) as ordered_map:
        assert list(ordered_map(KillsOneWorker(tmp_path), [1, 2, 3])) == [-1, -2, -3]
    assert (tmp_path / "killed").exists()


class OtherOnWorkers:
    """A function with a dictionary that is another one in every process."""

    def __init__(self):
        self.process = os.getpid()

    def __reduce__(self):
        return make_segmenter, ("space",)

    def versions(self):
        return {"dictionary": "abc"}


def test_a_worker_with_another_dictionary_is_named(address, tmp_path):
    with (
        scheduled(address, tmp_path) as ordered_map,
        pytest.raises(UnavailableError, match="does not have dictionary; expected abc, the version of the client"),
    ):
        list(ordered_map(OtherOnWorkers(), [1]))
