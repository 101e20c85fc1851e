"""Applies a function to many items, in order, on the workers of a Dask scheduler.

The interface is that of `lmctl.jobs.workers`. Items and results go through the scheduler. If a worker dies, Dask
gives its items to other workers, so a function must give the same result, and leave the same files, if it is
applied to an item twice.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from lmctl.errors import LmctlError
from lmctl.jobs.cluster import worker_side
from lmctl.jobs.cluster.calls import LESS_MEMORY, Call, result_of
from lmctl.jobs.cluster.connection import TICK_SECONDS, connected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from distributed import Future

    from lmctl.corpus.preparation import OrderedMap
    from lmctl.jobs.cluster.connection import Connection

T = TypeVar("T")
R = TypeVar("R")


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
    with connected(address, folder) as connection:
        work = _Work(connection, folder, describe)
        try:
            yield work.map
        finally:
            work.end()


class _Work:
    """The work of a block, on a connection. See `scheduled` for the other arguments."""

    def __init__(self, connection: Connection, folder: Path, describe: Callable[[Any], str]) -> None:
        self._connection, self._folder, self._describe = connection, folder, describe
        self._calls: list[Call] = []

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Yield the results of a function for items, in order."""
        self._connection.wait_for_workers()
        call = Call(self._connection, self._folder, function)
        self._calls.append(call)
        call.check_workers()
        waiting: deque[tuple[Future[bytes], str]] = deque()
        rest = iter(items)
        while True:
            threads = sum(self._connection.workers().values())
            free = max(2 * threads - len(waiting), 0 if waiting else 1)
            for item in itertools.islice(rest, free):
                content = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
                waiting.append((call.submit(worker_side.apply, content), self._describe(item)))
            if not waiting:
                break
            yield self._result(*waiting.popleft())
        call.end()
        self._calls.remove(call)

    def end(self) -> None:
        """End all work."""
        for call in self._calls:
            call.end()

    def _result(self, future: Future[bytes], described: str) -> Any:
        """Wait for the result of an item."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        answer: bytes | None = None
        try:
            while answer is None:
                # The function on the workers raises nothing, so this is the time that is over.
                with contextlib.suppress(TimeoutError):
                    answer = future.result(timeout=TICK_SECONDS)
                self._connection.workers()
        except KilledWorker as error:
            raise LmctlError(
                f"{described}: {error.allowed_failures + 1} workers died with this part of the work; the kernel "
                f"and Dask end a worker if memory runs out; {LESS_MEMORY}"
            ) from error
        # Dask cancels the items if it cannot connect again; until then, the wait ends with the lost connection.
        except (CancelledError, OSError) as error:
            raise self._connection.lost() from error
        except (ImportError, AttributeError, RuntimeError) as error:
            raise self._connection.unreadable(error) from error
        try:
            return result_of(answer)
        except MemoryError as error:
            raise LmctlError(f"{described}: a worker ran out of memory; {LESS_MEMORY}") from error
