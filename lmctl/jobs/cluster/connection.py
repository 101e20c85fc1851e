"""The connection to a Dask scheduler: its workers, and the messages if it is lost."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from lmctl.errors import UnavailableError
from lmctl.jobs.cluster.addresses import check_scheduler
from lmctl.jobs.cluster.local import local_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from distributed import Client

# A scheduler must answer within this time; a busy one answers within a second.
SECONDS_TO_ANSWER = 30.0
# A scheduler without workers waits for them for so long. Nannies start a new worker within seconds; Slurm may take
# longer, so its workers are started first.
SECONDS_FOR_WORKERS = 60.0
# Longest time to wait for workers that are in the midst of an item when the work is given up.
SECONDS_TO_END = 30.0
TICK_SECONDS = 1.0
# Loggers of Dask and of the packages that it is built on.
_LOGGERS = ("distributed", "dask", "tornado", "asyncio", "bokeh")


@contextlib.contextmanager
def connected(address: str, folder: Path) -> Iterator[Connection]:
    """Connect to a cluster for the time of a block; a cluster on this machine is started for it.

    Args:
        address: address of a scheduler, or `local:N`; see `check_scheduler`.
        folder: a folder for the files of a cluster on this machine.

    Raises:
        UsageError: `address` is not the name of a cluster.
        MissingExtraError: Dask is not installed.
        UnavailableError: the scheduler does not answer.
    """
    here = check_scheduler(address)
    with contextlib.ExitStack() as stack:
        if here is not None:
            address = stack.enter_context(local_cluster(here, folder))
        yield stack.enter_context(Connection(address))


class Connection:
    """A connection, which is made when the block begins.

    Args:
        address: address of the scheduler.

    Attributes:
        address: as given.
        client: Dask's client.
        is_lost: whether the scheduler does not answer any more.
    """

    client: Client

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_lost = False
        self._workers: dict[str, int] = {}
        self._asked = -TICK_SECONDS
        self._without_workers_since: float | None = None

    def __enter__(self) -> Self:
        _import_quietly()
        import dask
        from distributed import Client

        # Items are not large graphs, of which Dask warns.
        self._settings = dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})
        try:
            self.client = Client(self.address, timeout=SECONDS_TO_ANSWER, set_as_default=False, name="lmctl")
        except (OSError, TimeoutError) as error:
            self._settings.__exit__(None, None, None)
            raise UnavailableError(
                f"{self.address}: no Dask scheduler answers there; start one with `dask scheduler`, or correct "
                "--scheduler"
            ) from error
        except (RuntimeError, TypeError, ValueError) as error:
            self._settings.__exit__(None, None, None)
            raise UnavailableError(f"{self.address}: Dask cannot connect: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(SECONDS_TO_END)
        self._settings.__exit__(None, None, None)

    def _close(self) -> None:
        # A scheduler that stands still does not answer in time. Dask raises errors of many classes then, and a
        # thread would print them.
        with contextlib.suppress(Exception):
            self.client.close(timeout=2)

    def workers(self) -> dict[str, int]:
        """The number of threads of each worker, by address. The scheduler is asked at most once a second.

        Raises:
            UnavailableError: it does not answer, or has had no workers for a long time.
        """
        now = time.monotonic()
        if now - self._asked < TICK_SECONDS:
            return self._workers
        try:
            workers: dict[str, int] = self.client.sync(
                self.client.scheduler.ncores, callback_timeout=SECONDS_TO_ANSWER
            )
        # Dask raises errors of many classes if a connection is lost.
        except Exception as error:
            raise self.lost() from error
        self._asked, self._workers = now, workers
        if workers:
            self._without_workers_since = None
            return workers
        since = self._without_workers_since = self._without_workers_since or now
        if now - since > SECONDS_FOR_WORKERS:
            raise UnavailableError(
                f"{self.address}: the scheduler has had no workers for {SECONDS_FOR_WORKERS:.0f} seconds; start "
                f"some with `dask worker {self.address} --nthreads 1`"
            )
        return workers

    def ask_workers(self, function: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        """Call a function on every worker; the result of one that fails is its exception.

        Returns:
            The results by the address of the worker.

        Raises:
            UnavailableError: a worker stands still, or the scheduler does not answer.
        """
        try:
            answers: dict[str, Any] = self.client.sync(
                self.client.run, function, *arguments, on_error="return", callback_timeout=SECONDS_TO_ANSWER
            )
        except TimeoutError as error:
            raise UnavailableError(
                f"{self.address}: a worker does not answer within {SECONDS_TO_ANSWER:.0f} seconds; end it, or "
                "start it again"
            ) from error
        except OSError as error:
            raise self.lost() from error
        return answers

    def wait_for_workers(self, fewest: int = 1) -> None:
        """Wait until there are so many workers.

        Raises:
            UnavailableError: there is none for a long time.
        """
        while len(self.workers()) < fewest:
            time.sleep(TICK_SECONDS / 4)

    def lost(self) -> UnavailableError:
        """The error if the scheduler does not answer any more."""
        self.is_lost = True
        return UnavailableError(f"{self.address}: the scheduler does not answer any more; nothing was published")

    def unreadable(self, error: Exception) -> UnavailableError:
        """The error if Dask cannot unpickle the work."""
        return UnavailableError(
            f"{self.address}: the scheduler or a worker cannot read the work ({error}); all need the same lmctl "
            "and Dask as the client"
        )


def _import_quietly() -> None:
    """Import Dask so that it logs nothing to the terminal: it would add handlers to its loggers."""
    import dask

    dask.config.set({"logging": {"version": 1, "disable_existing_loggers": False}})
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    import distributed  # noqa: F401
