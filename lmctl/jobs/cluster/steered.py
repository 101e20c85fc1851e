"""Runs steered tasks, one on each worker, and steers them: their client. The worker's side is `steered_side`."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import queue
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lmctl.jobs.cluster import steered_side
from lmctl.jobs.cluster.calls import Call, result_of
from lmctl.jobs.cluster.connection import TICK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Future

    from lmctl.jobs.cluster.connection import Connection

# Longest time in which tasks end in order, if they are all stopped.
SECONDS_TO_STOP = 60.0
# Time in which they hear of it.
SECONDS_TO_ORDER = 3.0


@dataclass(frozen=True, slots=True)
class Report:
    """A task has told something."""

    number: int
    content: Any


@dataclass(frozen=True, slots=True)
class Done:
    """A task has returned.

    Attributes:
        number: of the task.
        result: of the function.
        order: the order that it had been given; None: none.
    """

    number: int
    result: Any
    order: str | None


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker of a task has died, or the scheduler has lost it.

    Attributes:
        number: of the task.
        worker: address of the worker.
        order: the order that the task had been given; None: none.
    """

    number: int
    worker: str
    order: str | None


@dataclass(slots=True, eq=False)
class _Task:
    """A task that runs, or whose end has not been told.

    Attributes:
        known: number of reports that have arrived.
        told: number of reports that `wait` has returned.
        answer: of its function, once it has ended.
        rest: the reports that `wait` returns before the end.
    """

    number: int
    worker: str
    future: Future[bytes]
    order: str | None = None
    known: int = 0
    told: int = 0
    answer: bytes | None = None
    rest: deque[Any] = field(default_factory=deque)


@contextlib.contextmanager
def steered(
    connection: Connection, folder: Path, function: Callable[[Any, steered_side.Steering], Any]
) -> Iterator[SteeredTasks]:
    """Steer tasks for the time of a block. Those that run at its end are stopped.

    Args:
        connection: the connection.
        folder: an absolute path that all workers see.
        function: applied to an item and its `Steering`. See `worker_side.write_function`.

    Raises:
        UnavailableError: the scheduler does not answer, or a worker cannot do the work.
    """
    connection.wait_for_workers()
    call = Call(connection, folder, function)
    try:
        call.check_workers()
        tasks = SteeredTasks(connection, call)
        try:
            yield tasks
        except BaseException as error:
            # The user may have asked a second time.
            tasks.stop(SECONDS_TO_STOP if isinstance(error, Exception) else SECONDS_TO_ORDER)
            raise
        else:
            tasks.stop(SECONDS_TO_STOP)
        finally:
            tasks.forget()
    finally:
        call.end()


class SteeredTasks:
    """The tasks of a function.

    Args:
        connection: the connection.
        call: the work of the function.
    """

    def __init__(self, connection: Connection, call: Call) -> None:
        self._connection, self._call = connection, call
        self._tasks: dict[int, _Task] = {}
        self._news: queue.SimpleQueue[tuple[_Task, Report | None]] = queue.SimpleQueue()
        self._cores: dict[str, int] = {}
        self._ending: _Task | None = None

    def free(self) -> list[str]:
        """The addresses of the workers that have no task.

        Raises:
            UnavailableError: the scheduler does not answer, or has had no workers for a long time.
        """
        busy = {task.worker for task in self._tasks.values()}
        return [worker for worker in self._connection.workers() if worker not in busy]

    def cores_of(self, worker: str) -> int:
        """The number of cores that a worker may use: workers of a host with the same cores share them.

        Raises:
            UnavailableError: a worker stands still, or the scheduler does not answer.
        """
        workers = self._connection.workers()
        if worker not in self._cores or self._cores.keys() != workers.keys():
            found = self._connection.ask_workers(steered_side.cores)
            sharing = Counter(each for each in found.values() if isinstance(each, tuple))
            self._cores = {
                name: max(len(each[1]) // sharing[each], 1)
                for name, each in found.items()
                if isinstance(each, tuple)
            }
        return self._cores.get(worker, 1)

    def start(self, number: int, worker: str, item: object) -> None:
        """Start a task on a worker.

        Args:
            number: of the task; no other one that runs has it.
            worker: a free worker.
            item: the function is applied to it.

        Raises:
            UnavailableError: the scheduler does not answer.
        """
        content = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        task = _Task(number, worker, self._call.submit(steered_side.run, number, content, worker=worker))
        self._tasks[number] = task
        task.future.add_done_callback(lambda _future: self._news.put((task, None)))
        self._connection.client.loop.add_callback(self._steer, task)

    def order(self, number: int, order: str) -> None:
        """Give a task an order, which replaces an earlier one."""
        self._tasks[number].order = order

    def wait(self, seconds: float) -> Report | Done | Lost | None:
        """Wait for news of a task; None: none has come. All reports of a task come before its end.

        Raises:
            UnavailableError: the scheduler does not answer, has had no workers for a long time, or a worker that
                joined cannot do the work.
            Exception: the function raised it.
        """
        if self._ending is not None:
            return self._next_of_end(self._ending)
        with contextlib.suppress(queue.Empty):
            while True:
                task, report = self._news.get(timeout=seconds)
                if self._tasks.get(task.number) is not task:
                    continue
                if report is None:
                    return self._ended(task)
                task.told += 1
                return report
        workers = self._connection.workers()
        gone = next((task for task in self._tasks.values() if task.worker not in workers), None)
        return None if gone is None else self._given_up(gone)

    def stop(self, seconds: float) -> None:
        """Order all tasks to end, and wait until they have, for at most so many seconds."""
        for number in self._tasks:
            self.order(number, steered_side.STOP)
        give_up = time.monotonic() + seconds
        # If the connection is lost, or a function fails, there is nothing left to do.
        with contextlib.suppress(Exception):
            while self._tasks and not self._connection.is_lost and time.monotonic() < give_up:
                self.wait(TICK_SECONDS)

    def forget(self) -> None:
        """Ask no task any more."""
        self._tasks.clear()
        self._ending = None

    def _ended(self, task: _Task) -> Report | Done | Lost:
        """The end of a task whose future is done, or the first report that the client has not asked for."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        answer: bytes | None = None
        try:
            while answer is None:
                with contextlib.suppress(TimeoutError):
                    answer = task.future.result(timeout=TICK_SECONDS)
                if answer is None and task.worker not in self._connection.workers():
                    # The worker had the result in its memory, and has died since.
                    return self._given_up(task)
        except KilledWorker:
            del self._tasks[task.number]
            return Lost(task.number, task.worker, task.order)
        except (CancelledError, OSError) as error:
            del self._tasks[task.number]
            raise self._connection.lost() from error
        except (ImportError, AttributeError, RuntimeError) as error:
            del self._tasks[task.number]
            raise self._connection.unreadable(error) from error
        task.answer, reports = steered_side.answer_and_reports(answer)
        task.rest.extend(reports[task.told :])
        self._ending = task
        return self._next_of_end(task)

    def _next_of_end(self, task: _Task) -> Report | Done:
        """The next report of a task that has ended, or its end. The client may still give it an order."""
        if task.rest:
            return Report(task.number, task.rest.popleft())
        self._ending = None
        del self._tasks[task.number]
        return Done(task.number, result_of(task.answer or b""), task.order)

    def _given_up(self, task: _Task) -> Lost:
        """The end of a task whose worker is gone. Dask would wait for a worker with the same address."""
        del self._tasks[task.number]
        task.future.cancel(force=True)
        return Lost(task.number, task.worker, task.order)

    async def _steer(self, task: _Task) -> None:
        """Exchange orders and reports with a task as long as it runs. It runs in the loop of Dask's client.

        If the worker stands still, only this task waits for its answer.
        """
        while self._tasks.get(task.number) is task:
            # The worker may have died, or the connection may be lost: both are found by `wait`.
            with contextlib.suppress(Exception):
                answers = await self._connection.client.run(
                    steered_side.exchange,
                    self._call.token,
                    task.number,
                    task.order,
                    task.known,
                    workers=[task.worker],
                    on_error="return",
                )
                reports = answers.get(task.worker)
                if isinstance(reports, list):
                    task.known += len(reports)
                    for content in reports:
                        self._news.put((task, Report(task.number, content)))
            await asyncio.sleep(TICK_SECONDS)
