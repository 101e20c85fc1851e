"""Answers requests in batches: those that wait while a batch is computed are the next batch.

No request waits for others to come: on an idle server, a request is a batch of its own.

Short requests and long ones have threads of their own, so a text of a thousand words does not keep a keyboard
waiting. Long requests are computed in turns: after each word, or part of a gap, the next one has a turn. So one
that comes later begins soon, and at any time only one thread computes long requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from lmctl.errors import LmctlError
from lmctl.progress import listening
from lmctl.serve.bodies import FillRequest, GenerateRequest, texts_of
from lmctl.serve.jobs import Job, JobQueue, Pieces
from lmctl.serve.turns import Turns

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

    from lmctl.serve.batches import Fields
    from lmctl.serve.endpoints import Endpoint
    from lmctl.serve.live_model import LiveModel, OpenedModel

logger = logging.getLogger(__name__)

# Requests with more characters are long ones, and so is every request to generate or to fill gaps.
SHORT_CHARACTERS = 2_000
# Batches of long requests that are computed in turns. Each has its states in memory; further ones wait.
LONG_BATCHES = 16


class _NobodyWaitsError(Exception):
    """All clients of a batch have gone, or have been told that the time is over."""


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
        self._short, self._long = JobQueue(largest), JobQueue(largest)
        self._readers, turns = _Readers(live), Turns()
        self._threads = [
            *(_Answerer(self._readers, self._short, batched) for _ in range(threads)),
            *(_Answerer(self._readers, self._long, batched, turns) for _ in range(LONG_BATCHES)),
        ]

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

    def forget_older(self) -> None:
        """Keep nothing of generations that are not current, but what is answering now."""
        self._readers.forget_older()

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
        pieces = Pieces()
        job = Job(endpoint, request, end, asyncio.get_running_loop().create_future(), pieces)
        # Pieces that were told before the answer have been added already.
        job.answer.add_done_callback(lambda _: pieces.end())
        self._long.put(job)
        try:
            while some := await pieces.read():
                yield some
            yield [job.answer.result()]
        finally:
            if not job.answer.cancel() and not job.answer.cancelled():
                # Otherwise asyncio logs an error that nobody has asked for.
                job.answer.exception()


class _Readers:
    """The current generation for one thread at a time, each with a reader of contexts of its own.

    A reader that is free is used again, because it remembers the last contexts.
    """

    def __init__(self, live: LiveModel) -> None:
        self._live = live
        self._lock = threading.Lock()
        self._current: OpenedModel | None = None
        self._free: list[OpenedModel] = []

    def forget_older(self) -> None:
        """Otherwise an older generation stays in memory until the next request."""
        with self._lock:
            self._renew()

    def _renew(self) -> OpenedModel:
        current = self._live.current
        if self._current is not current:
            self._current = current
            self._free.clear()
        return current

    @contextlib.contextmanager
    def one(self) -> Iterator[OpenedModel]:
        with self._lock:
            current = self._renew()
            opened = self._free.pop() if self._free else current.for_another_thread()
        try:
            yield opened
        finally:
            with self._lock:
                if self._current is current:
                    self._free.append(opened)


class _Answerer(threading.Thread):
    """A thread that answers the requests of a queue, in turns with others if there are any."""

    def __init__(
        self, readers: _Readers, queue: JobQueue, batched: Callable[[int], None], turns: Turns | None = None
    ) -> None:
        super().__init__(name="lmctl-answers", daemon=True)
        self._readers = readers
        self._queue = queue
        self._batched = batched
        self._turns = turns

    def run(self) -> None:
        while self._queue.wait():
            with self._turns or contextlib.nullcontext():
                self._answer()

    def _answer(self) -> None:
        # Taken with the turn, so that those that wait for it are one batch.
        jobs = self._queue.take()
        if not jobs:
            return
        self._batched(len(jobs))
        try:
            with self._readers.one() as opened:
                answers = _answered(opened, jobs, self._turns)
        except Exception as error:  # noqa: BLE001 - _failed logs it
            # No reader, or no response. If the thread ended, later requests would wait for ever.
            answers = _failed(jobs, error)
        _deliver(answers)


def _answered(opened: OpenedModel, jobs: Sequence[Job], turns: Turns | None = None) -> list[tuple[Job, Any]]:
    """The response to each request, or its error. If a batch fails, each is answered alone."""

    def check(activity: str, done: float, total: float | None) -> None:  # noqa: ARG001
        if turns is not None:
            turns.hand_on()
        if not any(job.is_waiting for job in jobs):
            raise _NobodyWaitsError

    endpoint = jobs[0].endpoint
    try:
        # Long work reports its progress after each step.
        with listening(check):
            found = _computed(opened, jobs)
    except _NobodyWaitsError:
        return []
    except Exception as error:  # noqa: BLE001 - _failed logs it
        # What has been told cannot be told again.
        if len(jobs) > 1 and not any(job.has_begun for job in jobs):
            return [each for job in jobs for each in _answered(opened, [job], turns)]
        return _failed(jobs, error)
    return [
        (job, endpoint.response(model=opened.name, generation=opened.generation, **fields))
        for job, fields in zip(jobs, found, strict=True)
    ]


def _failed(jobs: Sequence[Job], error: Exception) -> list[tuple[Job, Any]]:
    """The error of each request of a batch. It is logged if it is a bug."""
    if not isinstance(error, LmctlError):
        logger.error("%s: a request failed; this is a bug in lmctl", jobs[0].endpoint.path, exc_info=error)
    return [(job, error) for job in jobs]


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
            job.answer.get_loop().call_soon_threadsafe(job.pieces.add, some)


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
