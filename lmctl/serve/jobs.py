"""Requests that wait for their answers, and queues of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.serve.batches import settings_of

if TYPE_CHECKING:
    import asyncio

    from lmctl.serve.endpoints import Endpoint


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for its answer.

    Attributes:
        endpoint: its endpoint.
        request: its body.
        end: when the client is told that the time is over, in seconds of `time.monotonic`.
        answer: gets the response, or an error.
        pieces: gets the pieces of the answer after each step, and None at its end; None: it is given as a whole.
        has_begun: whether a piece has been told.
    """

    endpoint: Endpoint
    request: Any
    end: float
    answer: asyncio.Future[Any]
    pieces: asyncio.Queue[list[Any] | None] | None = None
    has_begun: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether a client still waits for the answer."""
        return not self.answer.done() and time.monotonic() < self.end


class JobQueue:
    """Jobs that wait for a thread, in the order of arrival.

    Args:
        largest: the most jobs that a thread takes at once.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._arrived = threading.Condition()
        # Each with what it has in common with those that are answered together with it.
        self._jobs: deque[tuple[Any, Job]] = deque()
        self._closed = False

    def put(self, job: Job) -> None:
        """Add a job, and wake a thread."""
        entry = (job.endpoint.path, settings_of(job.request)), job
        with self._arrived:
            self._jobs.append(entry)
            self._arrived.notify()

    def close(self) -> None:
        """Take no more jobs; those that wait can still be taken."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def wait(self) -> bool:
        """Wait for jobs; False: there are none, and no more will come."""
        with self._arrived:
            while not self._jobs:
                if self._closed:
                    return False
                self._arrived.wait()
            return True

    def take(self) -> list[Job]:
        """The first job, and those of the others that can be answered together with it. None may be left."""
        with self._arrived:
            shared: Any = None
            taken: list[Job] = []
            left: deque[tuple[Any, Job]] = deque()
            while self._jobs and len(taken) < self._largest:
                entry = self._jobs.popleft()
                if not entry[1].is_waiting:
                    continue
                if not taken:
                    shared = entry[0]
                if entry[0] == shared:
                    taken.append(entry[1])
                else:
                    left.append(entry)
            self._jobs.extendleft(reversed(left))
            return taken
