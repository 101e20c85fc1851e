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
from functools import partial
from typing import TYPE_CHECKING, Any

from lmctl.errors import LmctlError
from lmctl.progress import listening
from lmctl.serve.batches import settings_of
from lmctl.serve.bodies import FillRequest, GenerateRequest, texts_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from lmctl.serve.batches import Fields
    from lmctl.serve.endpoints import Endpoint
    from lmctl.serve.live_model import LiveModel, OpenedModel

logger = logging.getLogger(__name__)

# Requests with more characters are long ones, and so is every request to generate or to fill gaps.
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
        is_long = (
            isinstance(request, GenerateRequest | FillRequest)
            or sum(map(len, texts_of(request))) > SHORT_CHARACTERS
        )
        (self._long if is_long else self._short).put(job)
        return await job.answer

    async def stream(self, endpoint: Endpoint, request: Any, end: float) -> AsyncGenerator[list[Any], None]:
        """Yield the pieces of the answer to a request, and at last the response.

        If the iterator is closed early, the work on the request ends with its next step.

        Args:
            endpoint: its endpoint, which streams.
            request: its body.
            end: as in `answer`.

        Raises:
            LmctlError: the request cannot be answered.
        """
        pieces: asyncio.Queue[list[Any] | None] = asyncio.Queue()
        job = Job(endpoint, request, end, asyncio.get_running_loop().create_future(), pieces)
        # Pieces that were told before the answer are in the queue already.
        job.answer.add_done_callback(lambda _: pieces.put_nowait(None))
        self._long.put(job)
        try:
            while (some := await pieces.get()) is not None:
                yield some
            yield [job.answer.result()]
        finally:
            if not job.answer.cancel() and not job.answer.cancelled():
                # Otherwise asyncio logs an error that nobody has asked for.
                job.answer.exception()


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
            found = _computed(opened, jobs)
    except _NobodyWaitsError:
        return []
    except Exception as error:
        # What has been told cannot be told again.
        if len(jobs) > 1 and not any(job.has_begun for job in jobs):
            return [each for job in jobs for each in _answered(opened, [job])]
        if not isinstance(error, LmctlError):
            logger.exception("%s: a request failed; this is a bug in lmctl", endpoint.path)
        return [(job, error) for job in jobs]
    return [
        (job, endpoint.response(model=opened.name, generation=opened.generation, **fields))
        for job, fields in zip(jobs, found, strict=True)
    ]


def _computed(opened: OpenedModel, jobs: Sequence[Job]) -> list[Fields]:
    """The fields of the response to each request, whose pieces are told before, if they are asked for."""
    endpoint, requests = jobs[0].endpoint, [job.request for job in jobs]
    if jobs[0].pieces is None or endpoint.stream is None:
        return endpoint.answer(opened, requests)
    return endpoint.stream(
        opened, requests, [partial(_tell, job) for job in jobs], [partial(_is_waiting, job) for job in jobs]
    )


def _is_waiting(job: Job) -> bool:
    return job.is_waiting


def _tell(job: Job, some: list[Any]) -> None:
    """Hand pieces to the event loop."""
    job.has_begun = True
    if job.pieces is not None and job.is_waiting:
        with contextlib.suppress(RuntimeError):
            job.answer.get_loop().call_soon_threadsafe(job.pieces.put_nowait, some)


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
