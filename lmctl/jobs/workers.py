"""Worker processes: apply a function to many items, in order, with a limited number of items in progress.

The workers of `concurrent.futures` share queues and locks. If a worker is killed while it holds a lock, the pool
waits for ever and ignores signals (seen with Python 3.11.2). Here each worker has its own socket, which the kernel
closes when the worker dies, and the parent waits only for sockets.

A worker imports nothing from the current folder. `multiprocessing` puts this folder first on the worker's path, so
that a user's socket.py would replace Python's.
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

# The program of a worker. The folders of this process's path come after the worker's own path.
START = (
    "import sys; sys.path += sys.argv[2:]; from lmctl.jobs.workers import spawn_main; spawn_main(int(sys.argv[1]))"
)
READY = b"ready"
# Longest time that a worker may take to end after it has closed its socket.
SECONDS_TO_END = 5.0
FEWER_JOBS = "fewer --jobs need less"


def workers(jobs: int, less_memory: str = FEWER_JOBS) -> AbstractContextManager[OrderedMap]:
    """Return a context whose value applies a function to items, in order: in worker processes, or in this process.

    The workers end with the block. The function, items and results are pickled. Items are taken when they are
    needed: at most two for each process are in progress. Exceptions of the function are raised in this process. If
    a worker is killed or runs out of memory, an LmctlError is raised.

    Args:
        jobs: number of processes; 1: no workers, this process does the work.
        less_memory: what a message says if a worker runs out of memory.
    """
    return contextlib.nullcontext(map) if jobs == 1 else _Workers(jobs, less_memory)


class _Workers:
    """Worker processes for the items of one block.

    Args:
        most: largest number of processes.
        less_memory: see `workers`.
    """

    def __init__(self, most: int, less_memory: str) -> None:
        self._most = most
        self._less_memory = less_memory
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
                for worker in _with_messages(self._workers):
                    results.update(worker.receive())
                    self._hand_out(function, pending)
            while given in results:
                yield results.pop(given)
                given += 1

    def _start_another(self, wanted: int) -> None:
        """Start a worker, unless the limit is reached, or at least `wanted` workers have no work."""
        if len(self._workers) >= self._most or sum(worker.number is None for worker in self._workers) >= wanted:
            return
        try:
            # The worker must be in the list before a signal ends this process. It inherits the blocked signals, so
            # it never gets one: signals often go to all processes of a terminal or a service, and the parent
            # decides.
            with signals_held_back():
                self._workers.append(_Worker(self._less_memory))
        except OSError as error:
            # The limit of processes is reached (ulimit -u, or a container's), or there is no memory for another
            # one.
            there = len(self._workers)
            logger.warning(
                "no more processes can be started (%s); %s",
                error.strerror,
                f"{there} of {self._most} do the work" if there else "this one does the work alone",
            )
            self._most = there

    def _hand_out(self, function: Callable[[T], R], pending: deque[tuple[int, T]]) -> None:
        """Give pending items to workers without work."""
        for worker in self._workers:
            if pending and worker.is_ready and worker.number is None:
                worker.give(function, *pending.popleft())


class _Worker:
    """A worker process, seen from its parent.

    Args:
        less_memory: see `workers`.

    Attributes:
        connection: the connection to the worker.
        is_ready: whether the worker has started.
        number: number of the item that it works on; None: it has no work.

    Raises:
        OSError: the worker cannot be started.
    """

    def __init__(self, less_memory: str) -> None:
        self._less_memory = less_memory
        self.is_ready = False
        self.number: int | None = None
        self._function: Callable[[Any], Any] | None = None
        self.connection, theirs = Pipe()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  Python itself
                    [sys.executable or "", *python_flags(), "-c", START, str(theirs.fileno()), *import_path()],
                    # The kernel closes it when this process ends in any way; then the worker ends, too.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
        except BaseException:
            self.connection.close()
            raise

    def give(self, function: Callable[[Any], Any], number: int, item: object) -> None:
        """Send an item to the worker.

        Raises:
            LmctlError: the worker was killed.
        """
        # The function may contain dictionaries, so it is sent only once, unless there is another one.
        is_known = self._function is function
        content = pickle.dumps((None if is_known else function, item), pickle.HIGHEST_PROTOCOL)
        self._function, self.number = function, number
        try:
            self.connection.send_bytes(content)
        except OSError as error:
            raise self._death() from error

    def receive(self) -> dict[int, Any]:
        """Receive a message of the worker: the result of its item, by number; empty if it has just started.

        Raises:
            LmctlError: the worker was killed, or ran out of memory.
            Exception: the function raised it.
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
            raise LmctlError(f"a worker process ran out of memory; {self._less_memory}") from raised
        if raised is not None:
            raise raised from InWorkerError(trace)
        number, self.number = self.number, None
        return {} if number is None else {number: result}

    def kill(self) -> None:
        """Kill the worker. It writes only to the scratch folder, so nothing is damaged."""
        self._process.kill()

    def close(self) -> None:
        """Wait until the worker has ended."""
        self.connection.close()
        self._process.communicate()

    def _death(self) -> LmctlError:
        """Return the error for a worker that has ended."""
        try:
            code = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return LmctlError("a worker process stopped working")
        if code == -signal.SIGKILL:
            return LmctlError(
                "a worker process was killed (SIGKILL), which the kernel does when memory runs out; "
                f"{self._less_memory}"
            )
        if code < 0:
            ended = f"a worker process was ended by signal {-code} ({signal.strsignal(-code)})"
            # C and C++ often end so if they get no memory.
            is_fault = -code in (signal.SIGABRT, signal.SIGBUS, signal.SIGSEGV)
            return LmctlError(f"{ended}, perhaps for lack of memory; {self._less_memory}" if is_fault else ended)
        return LmctlError(f"a worker process ended with exit code {code} before its work was done")


class InWorkerError(Exception):
    """The place in a worker at which an exception was raised."""

    def __str__(self) -> str:
        return f"in a worker process:\n{self.args[0]}"


def spawn_main(descriptor: int) -> None:
    """Run a worker: receive items, apply the function, and send the results, until the parent has ended.

    Args:
        descriptor: file descriptor of the socket to the parent.
    """
    gc.disable()
    # If no thread can be started, the worker ends when its item is done.
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
                answer = pickled_error(error)
            connection.send_bytes(answer)


def pickled_error(error: BaseException) -> bytes:
    """Return what a worker sends in place of a result, pickled: None, the exception, and its trace."""
    trace = "".join(traceback.format_exception(error))
    try:
        answer = pickle.dumps((None, error, trace))
        pickle.loads(answer)  # noqa: S301
    except Exception:  # noqa: BLE001
        # The arguments of the exception do not fit the constructor of its class, so it cannot be unpickled.
        return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), trace))
    return answer


def _end_with_parent() -> None:
    """End this worker when its parent ends. Otherwise it would work on for nobody, and keep its memory."""
    while os.read(0, 1):
        pass
    os._exit(1)


def _with_messages(workers: list[_Worker]) -> list[_Worker]:
    """Wait until at least one worker has sent a message or has died; return these workers."""
    ready = set(wait([worker.connection for worker in workers]))
    return [worker for worker in workers if worker.connection in ready]


def python_flags() -> list[str]:
    """Return flags for a Python that works for this process: its own, a safe path, and no warnings."""
    given = {"-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site, "-B": sys.dont_write_bytecode}
    return ["-P", "-W", "ignore", *(flag for flag, value in given.items() if value)]


def import_path() -> list[str]:
    """Return the folders to import from, without the current folder, unless lmctl itself is in it."""
    folders = [str(Path(folder).absolute()) for folder in sys.path if folder]
    here, home = str(Path.cwd()), str(Path(__file__).absolute().parents[2])
    return [*(folder for folder in folders if folder != here), home]
