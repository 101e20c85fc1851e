"""Requests that wait for their answers, and queues of them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.serve.batches import settings_of

if TYPE_CHECKING:
    from lmctl.serve.endpoints import Endpoint


class Pieces:
    """The pieces of an answer that have been told and not been read. Only the event loop's thread uses them.

    Those that wait are read at once, so a reader that is behind waits for the event loop, which may tell it that
    its client has gone.
    """

    def __init__(self) -> None:
        self._unread: list[Any] = []
        self._has_ended = False
        self._changed = asyncio.Event()

    def add(self, some: list[Any]) -> None:
        """Add pieces."""
        self._unread += some
        self._changed.set()

    def end(self) -> None:
        """No more will come."""
        self._has_ended = True
        self._changed.set()

    async def read(self) -> list[Any]:
        """Wait for pieces, and return all that have not been read; none: they have ended."""
        await self._changed.wait()
        some, self._unread = self._unread, []
        if not self._has_ended:
            self._changed.clear()
        return some


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for its answer.

    Attributes:
        endpoint: its endpoint.
        request: its body.
        end: when the client is told that the time is over, in seconds of `time.monotonic`.
        answer: gets the response, or an error.
        pieces: gets the pieces of the answer after each step; None: it is given as a whole.
        has_begun: whether a piece has been told.
    """

    endpoint: Endpoint
    request: Any
    end: float
    answer: asyncio.Future[Any]
    pieces: Pieces | None = None
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
