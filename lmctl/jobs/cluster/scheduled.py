"""Applies a function to many items, in order, on the workers of a Dask scheduler.

The interface is that of `lmctl.jobs.workers`. Items and results go through the scheduler. If a worker dies, Dask
gives its items to other workers, so a function must give the same result, and leave the same files, if it is
applied to an item twice.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import pickle
import secrets
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self, TypeVar

from lmctl.errors import LmctlError, UnavailableError
from lmctl.jobs.cluster import worker_side
from lmctl.jobs.cluster.addresses import check_scheduler
from lmctl.jobs.cluster.local import local_cluster
from lmctl.jobs.workers import InWorkerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from distributed import Client, Future

    from lmctl.corpus.preparation import OrderedMap

T = TypeVar("T")
R = TypeVar("R")

# A scheduler must answer within this time; a busy one answers within a second.
SECONDS_TO_ANSWER = 30.0
# A scheduler without workers waits for them for so long. Nannies start a new worker within seconds; Slurm may take
# longer, so its workers are started first.
SECONDS_FOR_WORKERS = 60.0
# Longest time to wait for workers that are in the midst of an item when the work is given up.
SECONDS_TO_END = 30.0
_TICK_SECONDS = 1.0
# Loggers of Dask and of the packages that it is built on.
_LOGGERS = ("distributed", "dask", "tornado", "asyncio", "bokeh")
_LESS_MEMORY = "workers with more memory, or fewer threads on each (dask worker --nthreads), may do it"


@contextlib.contextmanager
def scheduled(
    address: str, folder: Path, describe: Callable[[Any], str] = lambda _item: "a part of the work"
) -> Iterator[OrderedMap]:
    """Return a context whose value applies a function to items, in order, on a cluster.

    The function, items and results are pickled. At most two items for each thread of a worker are in progress.
    Exceptions of the function are raised in this process. When the block ends, no worker works for it any more.

    Args:
        address: address of a scheduler, or `local:N`; see `check_scheduler`.
        folder: an absolute path that all workers see. The function is put there for them, in a file that is
            removed at the end.
        describe: returns a few words for a message about an item, such as "text.txt: lines 1 to 20".

    Raises:
        UsageError: `address` is not the name of a cluster.
        MissingExtraError: Dask is not installed.
        UnavailableError: the scheduler does not answer, or a worker cannot do the work.
        LmctlError: workers died of an item.
    """
    here = check_scheduler(address)
    with contextlib.ExitStack() as stack:
        if here is not None:
            address = stack.enter_context(local_cluster(here, folder))
        cluster = stack.enter_context(_Cluster(address, folder, describe))
        yield cluster.map


class _Cluster:
    """The connection to a scheduler. See `scheduled` for the arguments."""

    def __init__(self, address: str, folder: Path, describe: Callable[[Any], str]) -> None:
        self._address, self._folder, self._describe = address, folder, describe
        self._calls: list[_Call] = []
        self._is_lost = False
        self._threads = 0
        self._asked = -_TICK_SECONDS
        self._without_workers_since: float | None = None

    def __enter__(self) -> Self:
        _import_quietly()
        import dask
        from distributed import Client

        # Items are not large graphs, of which Dask warns.
        self._settings = dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
        try:
            self._client: Client = Client(
                self._address, timeout=SECONDS_TO_ANSWER, set_as_default=False, name="lmctl"
            )
        except (OSError, TimeoutError) as error:
            self._settings.__exit__(None, None, None)
            raise UnavailableError(
                f"{self._address}: no Dask scheduler answers there; start one with `dask scheduler`, or correct "
                "--scheduler"
            ) from error
        except (RuntimeError, TypeError, ValueError) as error:
            self._settings.__exit__(None, None, None)
            raise UnavailableError(f"{self._address}: Dask cannot connect: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        for call in self._calls:
            call.end(reaches_workers=not self._is_lost)
        closing = threading.Thread(target=self._client.close, kwargs={"timeout": 2}, daemon=True)
        closing.start()
        closing.join(SECONDS_TO_END)
        self._settings.__exit__(None, None, None)

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Yield the results of a function for items, in order."""
        self._wait_for_workers()
        call = _Call(self._client, self._folder, function)
        self._calls.append(call)
        try:
            call.check_workers(self._address)
        except OSError as error:
            raise self._lost() from error
        waiting: deque[tuple[Future[bytes], str]] = deque()
        rest = iter(items)
        while True:
            free = max(2 * self._count_threads() - len(waiting), 0 if waiting else 1)
            for item in itertools.islice(rest, free):
                waiting.append((self._submitted(call, item), self._describe(item)))
            if not waiting:
                break
            yield self._result(*waiting.popleft())
        call.end()
        self._calls.remove(call)

    def _submitted(self, call: _Call, item: object) -> Future[bytes]:
        try:
            return call.submit(item)
        except Exception as error:
            if self._client.status not in ("closing", "closed"):
                raise
            raise self._lost() from error

    def _result(self, future: Future[bytes], described: str) -> Any:
        """Wait for the result of an item."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        answer: bytes | None = None
        try:
            while answer is None:
                # The function on the workers raises nothing, so this is the time that is over.
                with contextlib.suppress(TimeoutError):
                    answer = future.result(timeout=_TICK_SECONDS)
                self._count_threads()
        except KilledWorker as error:
            raise LmctlError(
                f"{described}: {error.allowed_failures + 1} workers died with this part of the work; the kernel "
                f"and Dask end a worker if memory runs out; {_LESS_MEMORY}"
            ) from error
        # Dask cancels the items if it cannot connect again; until then, the wait ends with the lost connection.
        except (CancelledError, OSError) as error:
            raise self._lost() from error
        except (ImportError, AttributeError, RuntimeError) as error:
            raise UnavailableError(
                f"{self._address}: the scheduler or a worker cannot read the work ({error}); all need the same "
                "lmctl and Dask as the client"
            ) from error
        result, raised, trace = pickle.loads(answer)  # noqa: S301  a worker of ours wrote it
        if isinstance(raised, MemoryError):
            raise LmctlError(f"{described}: a worker ran out of memory; {_LESS_MEMORY}") from raised
        if raised is not None:
            raise raised from InWorkerError(trace)
        return result

    def _count_threads(self) -> int:
        """The number of threads of all workers. The scheduler is asked at most once a second.

        Raises:
            UnavailableError: it does not answer, or has had no workers for a long time.
        """
        now = time.monotonic()
        if now - self._asked < _TICK_SECONDS:
            return self._threads
        try:
            threads: dict[str, int] = self._client.sync(
                self._client.scheduler.ncores, callback_timeout=SECONDS_TO_ANSWER
            )
        # Dask raises errors of many classes if a connection is lost.
        except Exception as error:
            raise self._lost() from error
        self._asked, self._threads = now, sum(threads.values())
        if threads:
            self._without_workers_since = None
            return self._threads
        since = self._without_workers_since = self._without_workers_since or now
        if now - since > SECONDS_FOR_WORKERS:
            raise UnavailableError(
                f"{self._address}: the scheduler has had no workers for {SECONDS_FOR_WORKERS:.0f} seconds; start "
                f"some with `dask worker {self._address} --nthreads 1`"
            )
        return 0

    def _wait_for_workers(self) -> None:
        while not self._count_threads():
            time.sleep(_TICK_SECONDS / 4)

    def _lost(self) -> UnavailableError:
        self._is_lost = True
        return UnavailableError(f"{self._address}: the scheduler does not answer any more; nothing was published")


class _Call:
    """The work of one function.

    Args:
        client: the connection.
        folder: see `scheduled`.
        function: the function.
    """

    def __init__(self, client: Client, folder: Path, function: Callable[[Any], Any]) -> None:
        self._client = client
        self._token = secrets.token_hex(8)
        self._place = folder / f"function-{self._token}"
        self._number = 0
        self._futures: list[Future[bytes]] = []
        worker_side.write_function(self._place, function)

    def check_workers(self, address: str) -> None:
        """Check all workers before the work begins. One that joins later is checked before its first item.

        Raises:
            UnavailableError: a worker cannot do the work.
        """
        answers = self._client.run(worker_side.check, str(self._place), self._token, on_error="return")
        for worker, answer in sorted(answers.items()):
            if isinstance(answer, worker_side.UnsuitableError):
                raise UnavailableError(f"worker {worker} {answer}") from answer
            if isinstance(answer, Exception):
                raise UnavailableError(
                    f"worker {worker} of {address} cannot do the work ({answer}); it needs the same lmctl and "
                    "Dask as the client"
                ) from answer

    def submit(self, item: object) -> Future[bytes]:
        """Hand an item to the scheduler."""
        self._number += 1
        self._futures = [future for future in self._futures if not future.done()]
        future: Future[bytes] = self._client.submit(
            worker_side.apply,
            str(self._place),
            self._token,
            pickle.dumps(item, pickle.HIGHEST_PROTOCOL),
            key=f"lmctl-{self._token}-{self._number}",
            # Otherwise an item that is equal to an earlier one would get its result, without being worked on.
            pure=False,
        )
        self._futures.append(future)
        return future

    def end(self, *, reaches_workers: bool = True) -> None:
        """Cancel the items that have not begun, and wait until those that have begun are done."""
        self._place.unlink(missing_ok=True)
        if not reaches_workers:
            return
        ending = threading.Thread(target=self._end_on_workers, daemon=True)
        ending.start()
        ending.join(SECONDS_TO_END)

    def _end_on_workers(self) -> None:
        # The connection may be lost.
        with contextlib.suppress(Exception):
            self._client.cancel(self._futures, force=True)
            self._client.run(worker_side.end, self._token, SECONDS_TO_END, on_error="ignore")


def _import_quietly() -> None:
    """Import Dask so that it logs nothing to the terminal: it would add handlers to its loggers."""
    import dask

    dask.config.set({"logging": {"version": 1, "disable_existing_loggers": False}})
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    import distributed  # noqa: F401
