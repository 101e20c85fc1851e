"""Answers requests in batches: those that wait while a batch is computed are the next batch.

No request waits for others to come: on an idle server, a request is a batch of its own.

Short requests and long ones have a thread each, so a text of a thousand words does not keep a keyboard waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl.errors import LmctlError
from lmctl.progress import listening
from lmctl.serve.bodies import GenerateRequest, texts_of
from lmctl.serve.endpoints import settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmctl.serve.endpoints import Endpoint, Fields
    from lmctl.serve.live_model import LiveModel, OpenedModel

logger = logging.getLogger(__name__)

# Requests with more characters are long ones, and so is every request to generate.
SHORT_CHARACTERS = 2_000


class _NobodyWaitsError(Exception):
    """All clients of a batch have gone, or have been told that the time is over."""


@dataclass(eq=False, slots=True)
class Job:
    """A request that waits for its answer.

    Attributes:
        endpoint: its endpoint.
        request: its body.
        end: when the client is told that the time is over, in seconds of `time.monotonic`.
        answer: gets the response, or an error.
    """

    endpoint: Endpoint
    request: Any
    end: float
    answer: asyncio.Future[Any]

    @property
    def is_waiting(self) -> bool:
        """Whether a client still waits for the answer."""
        return not self.answer.done() and time.monotonic() < self.end


class Lanes:
    """The threads that answer requests.

    Args:
        live: the model.
        largest: the most requests of a batch.
        batched: is called with the number of requests of each batch.
        threads: number of threads that answer short requests.
    """

    def __init__(
        self, live: LiveModel, largest: int, batched: Callable[[int], None] = lambda _: None, *, threads: int = 1
    ) -> None:
        self._short, self._long = _Queue(largest), _Queue(largest)
        self._threads = [_Answerer(live, queue, batched) for queue in (*[self._short] * threads, self._long)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads, after the requests that wait."""
        self._short.close()
        self._long.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    async def answer(self, endpoint: Endpoint, request: Any, end: float) -> Any:
        """Return the response to a request.

        Args:
            endpoint: its endpoint.
            request: its body.
            end: when the client stops waiting, in seconds of `time.monotonic`.

        Raises:
            LmctlError: the request cannot be answered.
        """
        job = Job(endpoint, request, end, asyncio.get_running_loop().create_future())
        is_long = isinstance(request, GenerateRequest) or sum(map(len, texts_of(request))) > SHORT_CHARACTERS
        (self._long if is_long else self._short).put(job)
        return await job.answer


class _Queue:
    """Requests that wait for a thread, in the order of arrival.

    Args:
        largest: the most requests that a thread takes at once.
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._arrived = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._closed = False

    def put(self, job: Job) -> None:
        with self._arrived:
            self._jobs.append(job)
            self._arrived.notify()

    def close(self) -> None:
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def take(self) -> list[Job] | None:
        """Wait for requests, and return those that have come; None: no more will come."""
        with self._arrived:
            while True:
                jobs: list[Job] = []
                while self._jobs and len(jobs) < self._largest:
                    job = self._jobs.popleft()
                    if job.is_waiting:
                        jobs.append(job)
                if jobs:
                    return jobs
                if self._closed:
                    return None
                self._arrived.wait()


class _Answerer(threading.Thread):
    """A thread that answers the requests of a queue."""

    def __init__(self, live: LiveModel, queue: _Queue, batched: Callable[[int], None]) -> None:
        super().__init__(name="lmctl-answers", daemon=True)
        self._live = live
        self._queue = queue
        self._batched = batched
        # The generation that this thread answers with, and the same with a reader of contexts of its own.
        self._opened: tuple[OpenedModel, OpenedModel] | None = None

    def run(self) -> None:
        while (jobs := self._queue.take()) is not None:
            groups: dict[tuple[str, Any], list[Job]] = {}
            for job in jobs:
                groups.setdefault((job.endpoint.path, settings_of(job.request)), []).append(job)
            opened = self._current()
            for group in groups.values():
                self._batched(len(group))
                _deliver(_answered(opened, group))

    def _current(self) -> OpenedModel:
        current = self._live.current
        if self._opened is None or self._opened[0] is not current:
            self._opened = current, current.for_another_thread()
        return self._opened[1]


def _answered(opened: OpenedModel, jobs: Sequence[Job]) -> list[tuple[Job, Any]]:
    """The response to each request, or its error. If a batch fails, each is answered alone."""

    def check(activity: str, done: float, total: float | None) -> None:  # noqa: ARG001
        if not any(job.is_waiting for job in jobs):
            raise _NobodyWaitsError

    endpoint = jobs[0].endpoint
    try:
        # Long work reports its progress after each step.
        with listening(check):
            found: list[Fields] = endpoint.answer(opened, [job.request for job in jobs])
    except _NobodyWaitsError:
        return []
    except Exception as error:
        if len(jobs) > 1:
            return [each for job in jobs for each in _answered(opened, [job])]
        if not isinstance(error, LmctlError):
            logger.exception("%s: a request failed; this is a bug in lmctl", endpoint.path)
        return [(jobs[0], error)]
    return [
        (job, endpoint.response(model=opened.name, generation=opened.generation, **fields))
        for job, fields in zip(jobs, found, strict=True)
    ]


def _deliver(answers: Sequence[tuple[Job, Any]]) -> None:
    """Hand answers to the event loop. It is woken once for a batch."""

    def deliver() -> None:
        for job, found in answers:
            if job.answer.done():
                continue
            if isinstance(found, BaseException):
                job.answer.set_exception(found)
            else:
                job.answer.set_result(found)

    if answers:
        # The loop is closed if the server was stopped without waiting for answers.
        with contextlib.suppress(RuntimeError):
            answers[0][0].answer.get_loop().call_soon_threadsafe(deliver)
