"""Long tasks on a cluster: they report, take orders, and are missed if their worker dies."""

from __future__ import annotations

import os
import signal

import pytest
from steerable import ReportsAtOnce, UntilOrdered
from waiting import LONGEST_SECONDS, wait_until

from lmctl.errors import UnavailableError
from lmctl.jobs.cluster.connection import Connection
from lmctl.jobs.cluster.steered import Done, Lost, Report, SteeredTasks, steered


@pytest.fixture
def connection(address):
    """A connection to a cluster of two workers. One that a test has killed is replaced first."""
    with Connection(address) as made:
        made.wait_for_workers(2)
        yield made


@pytest.fixture
def tasks(connection, tmp_path):
    with steered(connection, tmp_path, UntilOrdered()) as started:
        yield started


def news_of(tasks, kind):
    """The next news of a kind."""
    for _ in range(int(LONGEST_SECONDS)):
        found = tasks.wait(1.0)
        if isinstance(found, kind):
            return found
    raise AssertionError(f"no {kind.__name__} came")


def test_tasks_report_and_take_orders(tasks):
    one, other = tasks.free()
    tasks.start(1, one, "a")
    tasks.start(2, other, "b")
    assert tasks.free() == []
    reports = sorted((news_of(tasks, Report) for _ in range(2)), key=lambda report: report.number)

    tasks.order(2, "cut")
    first = news_of(tasks, Done)
    assert tasks.free() == [other]
    tasks.order(1, "stop")
    second = news_of(tasks, Done)

    assert [(report.number, report.content[0]) for report in reports] == [(1, "a"), (2, "b")]
    assert [first, second] == [Done(2, "cut", "cut"), Done(1, "stop", "stop")]
    assert sorted(tasks.free()) == sorted([one, other])


def test_workers_of_a_host_share_its_cores(tasks):
    cores = len(os.sched_getaffinity(0))
    assert [tasks.cores_of(worker) for worker in tasks.free()] == [max(cores // 2, 1)] * 2


def test_a_worker_that_is_killed_is_missed(tasks):
    worker = tasks.free()[0]
    tasks.start(5, worker, "a")
    os.kill(news_of(tasks, Report).content[1], signal.SIGKILL)

    assert news_of(tasks, Lost) == Lost(5, worker, None)
    assert worker not in tasks.free()


def test_a_worker_that_dies_before_the_client_takes_its_result_is_missed(connection, tmp_path):
    with steered(connection, tmp_path, ReportsAtOnce()) as tasks:
        worker = tasks.free()[0]
        tasks.start(5, worker, "a")
        wait_until(tasks._tasks[5].future.done)
        os.kill(connection.client.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)
        wait_until(lambda: worker not in connection.workers())

        assert news_of(tasks, Lost) == Lost(5, worker, None)
        assert worker not in tasks.free()


def test_all_reports_come_before_the_end_and_may_still_lead_to_an_order(connection, tmp_path, monkeypatch):
    # The client does not ask before the task has ended.
    async def never(_tasks, _task):
        pass

    monkeypatch.setattr(SteeredTasks, "_steer", never)
    with steered(connection, tmp_path, ReportsAtOnce()) as tasks:
        tasks.start(3, tasks.free()[0], "ab")
        first = news_of(tasks, Report)
        assert first == Report(3, "a")
        tasks.order(3, "cut")
        assert tasks.wait(0.0) == Report(3, "b")
        assert tasks.wait(0.0) == Done(3, "ab", "cut")
        assert len(tasks.free()) == 2


def test_tasks_that_run_at_the_end_are_stopped(connection, tmp_path):
    with steered(connection, tmp_path, UntilOrdered()) as tasks:
        tasks.start(1, tasks.free()[0], "a")
        news_of(tasks, Report)
        future = tasks._tasks[1].future

    # It would run for ever if it had no order.
    assert future.done()
    assert not list(tmp_path.iterdir())


def test_a_task_cannot_be_started_without_a_connection(address, tmp_path):
    with Connection(address) as made:
        made.wait_for_workers(2)
        with steered(made, tmp_path, UntilOrdered()) as tasks:
            worker = tasks.free()[0]
            # Dask closes its client like this if it cannot connect again.
            made.client.close()
            with pytest.raises(UnavailableError, match=rf"^{address}: the scheduler does not answer any more;"):
                tasks.start(1, worker, "a")


def test_an_exception_of_the_function_is_raised(connection, tmp_path):
    with steered(connection, tmp_path, UntilOrdered()) as tasks:
        tasks.start(1, tasks.free()[0], 0)
        with pytest.raises(ZeroDivisionError):
            news_of(tasks, Done)


def test_a_folder_that_workers_do_not_see_is_named(connection, tmp_path):
    with (
        pytest.raises(
            UnavailableError,
            match=r"^worker tcp://127\.0\.0\.1:\d+ cannot read the folder .*/none \(No such file or directory\), "
            "which all workers must see under this path$",
        ),
        steered(connection, tmp_path, UntilOrdered(tmp_path / "none")),
    ):
        pass
