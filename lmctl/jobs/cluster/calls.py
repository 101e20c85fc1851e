"""The work of one function on the workers of a cluster, seen from the client."""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
from typing import TYPE_CHECKING, Any

from lmctl.errors import UnavailableError
from lmctl.jobs.cluster import worker_side
from lmctl.jobs.cluster.connection import SECONDS_TO_END
from lmctl.jobs.workers import InWorkerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distributed import Future

    from lmctl.jobs.cluster.connection import Connection

LESS_MEMORY = "workers with more memory, or fewer threads on each (dask worker --nthreads), may do it"


class Call:
    """The work of one function.

    Args:
        connection: the connection.
        folder: a folder that all workers see. The function is put there for them, in a file.
        function: the function.

    Attributes:
        token: its name, which no other work has.
        place: path of the file with the function.
    """

    def __init__(self, connection: Connection, folder: Path, function: Callable[..., Any]) -> None:
        self._connection = connection
        self._client = connection.client
        self.token = secrets.token_hex(8)
        self.place = folder / f"{worker_side.FUNCTION_FILE}{self.token}"
        self._number = 0
        self._futures: list[Future[bytes]] = []
        worker_side.write_function(self.place, function)

    def check_workers(self) -> None:
        """Check all workers before the work begins. One that joins later is checked before its first item.

        A worker that dies meanwhile is passed over: the others do the work.

        Raises:
            UnavailableError: a worker cannot do the work, or the scheduler does not answer.
        """
        from distributed.comm import CommClosedError

        answers = self._connection.ask_workers(worker_side.check, str(self.place), self.token)
        for worker, answer in sorted(answers.items()):
            if isinstance(answer, worker_side.UnsuitableError):
                raise UnavailableError(f"worker {worker} {answer}") from answer
            if isinstance(answer, Exception) and not isinstance(answer, CommClosedError):
                raise UnavailableError(
                    f"worker {worker} of {self._connection.address} cannot do the work ({answer}); it needs the "
                    "same lmctl and Dask as the client"
                ) from answer

    def submit(self, apply: Callable[..., bytes], *arguments: object, worker: str | None = None) -> Future[bytes]:
        """Hand an item to the scheduler.

        Args:
            apply: what a worker does: given the path and the token of the function, and the arguments, it returns
                what `result_of` reads.
            arguments: of it.
            worker: address of the only worker that may do it; None: any worker.

        Raises:
            UnavailableError: the scheduler does not answer.
        """
        self._number += 1
        self._futures = [future for future in self._futures if not future.done()]
        try:
            future: Future[bytes] = self._client.submit(
                apply,
                str(self.place),
                self.token,
                *arguments,
                key=f"lmctl-{self.token}-{self._number}",
                # Otherwise an item that is equal to an earlier one would get its result, without being worked on.
                pure=False,
                workers=None if worker is None else [worker],
            )
        except Exception as error:
            # Dask closes a client that cannot connect again.
            if self._client.status not in ("closing", "closed"):
                raise
            raise self._connection.lost() from error
        self._futures.append(future)
        return future

    def end(self) -> None:
        """Cancel the items that have not begun, and wait until those that have begun are done."""
        self.place.unlink(missing_ok=True)
        if self._connection.is_lost:
            return
        ending = threading.Thread(target=self._end_on_workers, daemon=True)
        ending.start()
        ending.join(SECONDS_TO_END)

    def _end_on_workers(self) -> None:
        # The connection may be lost.
        with contextlib.suppress(Exception):
            self._client.cancel(self._futures, force=True)
            self._client.run(worker_side.end, self.token, SECONDS_TO_END, on_error="ignore")


def result_of(answer: bytes) -> Any:
    """Return the result of an item, which a worker pickled, or raise the exception of the function.

    Raises:
        MemoryError: the worker ran out of memory.
    """
    result, raised, trace = pickle.loads(answer)  # noqa: S301  a worker of ours wrote it
    if raised is not None:
        raise raised from InWorkerError(trace)
    return result
