"""A steered task on its worker: a function that runs for long, reports to the client, and takes its orders.

The client asks each task about once a second (`exchange`). Its question brings an order, and the answer has the
reports. Both show that the client lives. If no question comes for a while, the client is gone, or the network is
cut. Then the task is ordered to end, so that nothing works for hours for nobody.
"""

from __future__ import annotations

import pickle
import threading
import time
from typing import TYPE_CHECKING, Any

from lmctl.jobs.cluster import worker_side

if TYPE_CHECKING:
    from collections.abc import Callable

# Without a question of the client for so long, it counts as gone.
SECONDS_OF_SILENCE = 30.0
# The order if the client is gone, or if it gives up.
STOP = "stop"

_lock = threading.Lock()
_tasks: dict[tuple[str, int], Steering] = {}


class Steering:
    """What a task tells its client, and what the client orders.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard = clock()
        self._order: str | None = None
        self._reports: list[Any] = []

    def report(self, content: object) -> None:
        """Tell the client something that can be pickled."""
        self._reports.append(content)

    def order(self) -> str | None:
        """The order of the client; None: go on."""
        if self._order is None and self._clock() - self._heard > SECONDS_OF_SILENCE:
            return STOP
        return self._order

    def exchange(self, order: str | None, known: int) -> list[Any]:
        """Take an order, and return the reports that the client does not know.

        Args:
            order: of the client.
            known: number of reports that it has received.
        """
        self._heard = self._clock()
        self._order = order
        return self.reports()[known:]

    def reports(self) -> list[Any]:
        """All reports so far."""
        return list(self._reports)


def run(place: str, token: str, number: int, item: bytes) -> bytes:
    """Apply the function to an item and its `Steering`.

    Args:
        place: path of the file with the function.
        token: the name of the work.
        number: of the task.
        item: the item, pickled.

    Returns:
        What `answer_and_reports` reads. All reports come with the answer, as the client may not have asked since
        the last ones.
    """
    steering = Steering()
    with _lock:
        _tasks[token, number] = steering
    try:
        answer = worker_side.applied(place, token, item, steering)
        return pickle.dumps((answer, steering.reports()), pickle.HIGHEST_PROTOCOL)
    finally:
        with _lock:
            _tasks.pop((token, number), None)


def answer_and_reports(result: bytes) -> tuple[bytes, list[Any]]:
    """The answer of `worker_side.applied`, and all reports, given the result of `run`."""
    answer, reports = pickle.loads(result)  # noqa: S301  a worker of ours wrote it
    return answer, reports


def exchange(token: str, number: int, order: str | None, known: int) -> list[Any]:
    """Exchange an order for reports with a task of this worker. There are none if it does not run."""
    with _lock:
        steering = _tasks.get((token, number))
    return [] if steering is None else steering.exchange(order, known)


def cores() -> tuple[str, tuple[int, ...]]:
    """The name of this worker's host, and the numbers of the cores that it may run on."""
    import os
    import socket

    return socket.gethostname(), tuple(sorted(os.sched_getaffinity(0)))
