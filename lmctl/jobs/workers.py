"""Worker processes: a function applied to many items, in order, with a bounded number of them under way.

The workers of `concurrent.futures` share queues and locks. One that is killed while it holds a lock leaves the
pool waiting for ever, deaf to signals (seen with Python 3.11.2). Here each worker has a socket of its own, which
the kernel closes when the worker dies, and the parent waits for sockets and nothing else.

A worker imports nothing from the current folder. `multiprocessing` puts that folder first on the worker's path,
where a user's socket.py takes the place of Python's.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lmctl.errors import LmctlError
from lmctl.jobs.train.signals import signals_held_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from lmctl.corpus.preparation import OrderedMap

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)

# What a worker runs. What its own path lacks, which is all there was in this process's, comes last.
START = (
    "import sys; sys.path += sys.argv[2:]; from lmctl.jobs.workers import spawn_main; spawn_main(int(sys.argv[1]))"
)
READY = b"ready"
# How long a worker that has closed its socket may take to be gone.
SECONDS_TO_END = 5.0


def workers(jobs: int) -> AbstractContextManager[OrderedMap]:
    """What applies a function to items, in order: this process, or several that are gone at the end of the block.

    The function, items and results go to and from them by pickle. Items are taken as they are needed: two for each
    process are under way at most. Beside what the function raises, an LmctlError says that a process was killed or
    ran out of memory.

    Args:
        jobs: how many processes; 1: this one.
    """
    return contextlib.nullcontext(map) if jobs == 1 else _Workers(jobs)


class _Workers:
    """Processes that work on items.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._workers: list[_Worker] = []

    def __enter__(self) -> OrderedMap:
        return self._map

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        while self._workers:
            self._workers.pop().close()

    def _map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        numbered = enumerate(items)
        pending: deque[tuple[int, T]] = deque()
        results: dict[int, R] = {}
        taken = given = 0
        while True:
            while taken - given < 2 * max(self._most, 1) and (item := next(numbered, None)) is not None:
                taken += 1
                pending.append(item)
                self._start_another(len(pending))
                self._hand_out(function, pending)
            if given == taken:
                return
            if not self._workers:
                number, content = pending.popleft()
                results[number] = function(content)
            while given not in results:
                for worker in _heard_from(self._workers):
                    results.update(worker.receive())
                    self._hand_out(function, pending)
            while given in results:
                yield results.pop(given)
                given += 1

    def _start_another(self, wanted: int) -> None:
        """Start a worker, unless there are as many as may be or as many without work as are wanted."""
        if len(self._workers) >= self._most or sum(worker.number is None for worker in self._workers) >= wanted:
            return
        try:
            # It must be in the list before a signal ends this process. It inherits that signals are held back, and
            # hears of none: they often reach all processes of a terminal or a service, and the parent decides.
            with signals_held_back():
                self._workers.append(_Worker())
        except OSError as error:
            # There is a limit of processes (ulimit -u, a container's), or no memory for another.
            there = len(self._workers)
            logger.warning(
                "no more processes can be started (%s); %s",
                error.strerror,
                f"{there} of {self._most} do the work" if there else "this one does the work alone",
            )
            self._most = there

    def _hand_out(self, function: Callable[[T], R], pending: deque[tuple[int, T]]) -> None:
        """Give what waits to the workers that wait."""
        for worker in self._workers:
            if pending and worker.is_ready and worker.number is None:
                worker.give(function, *pending.popleft())


class _Worker:
    """A worker process, seen from its parent.

    Attributes:
        connection: to it.
        is_ready: whether it has started.
        number: of the item that it works on; None: of none.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self) -> None:
        self.is_ready = False
        self.number: int | None = None
        self._has_function = False
        self.connection, theirs = Pipe()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  Python itself
                    [sys.executable or "", *_flags(), "-c", START, str(theirs.fileno()), *_path()],
                    # Closed when this process ends, however it ends: then the worker ends too.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
        except BaseException:
            self.connection.close()
            raise

    def give(self, function: Callable[[Any], Any], number: int, item: object) -> None:
        """Let it work on an item.

        Raises:
            LmctlError: it was killed.
        """
        # The function holds dictionaries: it is sent once.
        content = pickle.dumps((None if self._has_function else function, item), pickle.HIGHEST_PROTOCOL)
        self._has_function, self.number = True, number
        try:
            self.connection.send_bytes(content)
        except OSError as error:
            raise self._death() from error

    def receive(self) -> dict[int, Any]:
        """Take what it has sent: the result of its item by number, or nothing if it has just started.

        Raises:
            LmctlError: it was killed, or ran out of memory.
            Exception: what the function raised.
        """
        try:
            content = self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if not self.is_ready:
            self.is_ready = True
            return {}
        result, raised, trace = pickle.loads(content)  # noqa: S301  a process of our own wrote it
        if isinstance(raised, MemoryError):
            raise LmctlError("a worker process ran out of memory; fewer --jobs need less") from raised
        if raised is not None:
            raise raised from _InWorkerError(trace)
        number, self.number = self.number, None
        return {} if number is None else {number: result}

    def kill(self) -> None:
        """End it now: what it would still write goes to a folder that nobody reads."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end."""
        self.connection.close()
        self._process.communicate()

    def _death(self) -> LmctlError:
        """What to say of a worker that is not there any more."""
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return LmctlError("a worker process stopped working")
        if code == -signal.SIGKILL:
            return LmctlError(
                "a worker process was killed (SIGKILL), which the kernel does when memory runs out; "
                "fewer --jobs need less"
            )
        if code < 0:
            return LmctlError(f"a worker process was ended by signal {-code} ({signal.strsignal(-code)})")
        return LmctlError(f"a worker process ended with exit code {code} before its work was done")


class _InWorkerError(Exception):
    """Where in a worker an exception was raised."""

    def __str__(self) -> str:
        return f"in a worker process:\n{self.args[0]}"


def spawn_main(descriptor: int) -> None:
    """Be a worker: receive items, work on them, and send the results, until the parent is gone.

    Args:
        descriptor: of the socket to the parent.
    """
    gc.disable()
    # Without a thread it ends as soon as its item is done.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    connection: Connection[Any, Any] = Connection(descriptor)
    function: Any = None
    with contextlib.suppress(EOFError, OSError):
        connection.send_bytes(READY)
        while True:
            request = connection.recv_bytes()
            try:
                sent, item = pickle.loads(request)  # noqa: S301  the parent wrote it
                function = sent or function
                answer = pickle.dumps((function(item), None, ""), pickle.HIGHEST_PROTOCOL)
            except BaseException as error:  # noqa: BLE001
                answer = _pickled_error(error)
            connection.send_bytes(answer)


def _pickled_error(error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    try:
        answer = pickle.dumps((None, error, trace))
        pickle.loads(answer)  # noqa: S301
    except Exception:  # noqa: BLE001
        # An exception whose arguments are not those of its class.
        return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return answer


def _end_with_parent() -> None:
    """A worker whose parent was killed would work on for nobody, and hold its memory."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _heard_from(workers: list[_Worker]) -> list[_Worker]:
    """Wait until workers have sent something, or died."""
    heard = set(wait([worker.connection for worker in workers]))
    return [worker for worker in workers if worker.connection in heard]


def _flags() -> list[str]:
    """How the worker's Python is started: as this one was, but with a safe path, and with no warnings to show."""
    given = {"-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site, "-B": sys.dont_write_bytecode}
    return ["-P", "-W", "ignore", *(flag for flag, value in given.items() if value)]


def _path() -> list[str]:
    """Folders to import from, without the current one unless lmctl itself is there."""
    folders = [str(Path(folder).absolute()) for folder in sys.path if folder]
    here, home = str(Path.cwd()), str(Path(__file__).absolute().parents[2])
    return [*(folder for folder in folders if folder != here), home]
