"""The meeting of all workers before TensorFlow connects them: are all there, and do all have the same inputs?

The chief listens at its own address. Each other worker sends a line, and gets a line. TensorFlow listens at the
same addresses afterwards. It waits without a limit for workers that do not come, and starts a second chief at the
address of the first (seen with TensorFlow 2.21), so what can be wrong is found here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lmctl.errors import AddressError, LmctlError, UsageError, WorkerLostError, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lmctl.training.hosts.cluster import Cluster

# Longest line, in bytes. Whoever reaches the port may write to it.
LONGEST_LINE = 1 << 16
# Seconds between two attempts to reach the chief, and between two looks for a signal.
PAUSE_SECONDS = 0.2
# Further time for the answer of the chief, which waits for the other workers as long as each of them waits.
GRACE_SECONDS = 10.0
# Longest value of an input that a message shows. Hashes and configurations are longer.
LONGEST_VALUE = 40

M = TypeVar("M", bound="_Greeting | _Answer")


class _Greeting(msgspec.Struct, frozen=True):
    """The line of a worker: its number, what it computes with, and the name of its device."""

    worker: int
    inputs: dict[str, str]
    device: str


class _Answer(msgspec.Struct, frozen=True):
    """The chief's line.

    Attributes:
        refused: why nothing is trained; None: the training begins.
        is_lost: whether the reason is that a worker is missing.
        devices: the devices of the workers that are there, by number.
    """

    refused: str | None
    is_lost: bool
    devices: list[str]


def meet(
    cluster: Cluster,
    inputs: Mapping[str, str],
    device: str,
    seconds: float,
    interrupted: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """Wait until all workers are there, and check that they have the same inputs.

    Args:
        cluster: the workers.
        inputs: what must be equal on all workers, by its name in messages.
        device: name of this worker's device.
        seconds: longest time to wait.
        interrupted: asked while it waits; if it returns true, the meeting ends.
        clock: a monotonic clock, in seconds.

    Returns:
        The name of every worker's device, by number.

    Raises:
        AddressError: the port of this worker is taken, or its host is not this machine.
        WorkerLostError: a worker did not come in time, or the wait was interrupted.
        UsageError: a worker has other inputs, or two processes are the same worker.
    """
    greeting = _Greeting(cluster.number, dict(inputs), device)
    until = _Until(seconds, interrupted, clock)
    with _listening(cluster) as server:
        if cluster.is_chief:
            return _Meeting(cluster, greeting, until).hold(server)
    answer = _ask(cluster, greeting, until)
    if answer.refused is not None:
        raise (WorkerLostError if answer.is_lost else UsageError)(answer.refused)
    return answer.devices


class _Until:
    """The end of a wait."""

    def __init__(self, seconds: float, interrupted: Callable[[], bool], clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds
        self.interrupted = interrupted

    def is_over(self, grace: float = 0.0) -> bool:
        """Whether the time is over, and this grace; or the wait was interrupted."""
        return self._clock() > self._end + grace or self.interrupted()


class _Meeting:
    """The chief's side: collects a greeting from every other worker."""

    def __init__(self, cluster: Cluster, own: _Greeting, until: _Until) -> None:
        self._cluster = cluster
        self._until = until
        self._greetings = {0: own}
        self._of_worker: dict[int, socket.socket] = {}
        self._connections: list[socket.socket] = []

    def hold(self, server: socket.socket) -> list[str]:
        """Collect the greetings, and answer them.

        Raises:
            WorkerLostError: a worker did not come in time, or the wait was interrupted.
            UsageError: a worker has other inputs, or two processes are the same worker.
        """
        try:
            refused = self._collect(server)
            devices = [self._greetings[number].device for number in sorted(self._greetings)]
            answer = _Answer(
                None if refused is None else str(refused), isinstance(refused, WorkerLostError), devices
            )
            line = msgspec.json.encode(answer) + b"\n"
            for connection in self._connections:
                # A worker that is gone again is found when TensorFlow connects.
                with contextlib.suppress(OSError):
                    connection.sendall(line)
        finally:
            for connection in self._connections:
                connection.close()
        if refused is not None:
            raise refused
        return devices

    def _collect(self, server: socket.socket) -> LmctlError | None:
        """Wait for the other workers; return the reason for which the training is refused, if there is one."""
        while missing := self._missing():
            if self._until.interrupted():
                return WorkerLostError(f"{self._cluster.name(0)} was interrupted; nothing was trained")
            # On a busy machine, workers that came in time may still wait to be accepted when the time is over.
            is_over = self._until.is_over()
            server.settimeout(0 if is_over else PAUSE_SECONDS)
            try:
                connection, _ = server.accept()
            except (TimeoutError, BlockingIOError):
                if not is_over:
                    continue
                return WorkerLostError(
                    f"{joined([self._cluster.name(number) for number in missing])} did not come within "
                    f"{self._until.seconds:g} s (device.timeout); nothing was trained"
                )
            connection.settimeout(GRACE_SECONDS)
            # Anything else that reaches the port is no worker, and is not waited for.
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                greeting = _read(connection, _Greeting)
                self._connections.append(connection)
                if (refused := self._refusal(greeting)) is not None:
                    return refused
                self._greetings[greeting.worker] = greeting
                self._of_worker[greeting.worker] = connection
                continue
            connection.close()
        return None

    def _missing(self) -> list[int]:
        """The workers that are not there, by number. One that came and has ended again may be started again."""
        for number, connection in list(self._of_worker.items()):
            if _is_closed(connection):
                del self._greetings[number], self._of_worker[number]
        return [number for number in range(len(self._cluster)) if number not in self._greetings]

    def _refusal(self, greeting: _Greeting) -> UsageError | None:
        number = greeting.worker
        if number not in self._missing():
            return UsageError(f"two processes say that they are worker {number}; each needs a --worker of its own")
        expected = self._greetings[0].inputs
        for name, value in expected.items():
            given = greeting.inputs.get(name, "none")
            if given != value:
                shown = f": {given}, not {value}" if max(len(given), len(value)) <= LONGEST_VALUE else ""
                return UsageError(f"{self._cluster.name(number)} has another {name} than worker 0{shown}")
        return None


def _is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed a connection on which it sends nothing any more."""
    connection.settimeout(0)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(GRACE_SECONDS)


@contextlib.contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    """Listen at the address of this worker.

    Raises:
        AddressError: another program listens there, or the address is not one of this machine.
    """
    host, port = cluster.endpoint(cluster.number)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = socket.create_server(address[:2], family=family)
    except OSError as error:
        match error.errno:
            case errno.EADDRINUSE:
                reason = "the port is taken; is another training, or a second process of this one, still running?"
            case errno.EADDRNOTAVAIL:
                reason = f"is no address of this machine; is this really worker {cluster.number}?"
            case _:
                reason = error.strerror or str(error)
        raise AddressError(f"{cluster.name(cluster.number)}: {reason}") from error
    with server:
        yield server


def _ask(cluster: Cluster, greeting: _Greeting, until: _Until) -> _Answer:
    """Send the greeting of a worker to the chief, and read the answer.

    Raises:
        WorkerLostError: the chief cannot be reached, or ends before it answers.
    """
    while not until.is_over():
        try:
            with socket.create_connection(cluster.endpoint(0), timeout=GRACE_SECONDS) as connection:
                connection.sendall(msgspec.json.encode(greeting) + b"\n")
                connection.settimeout(PAUSE_SECONDS)
                return _read(connection, _Answer, until)
        except (OSError, msgspec.MsgspecError):
            # The chief does not listen yet, or another program does.
            time.sleep(PAUSE_SECONDS)
    raise WorkerLostError(
        f"{cluster.name(0)} cannot be reached, or did not answer, within {until.seconds:g} s (device.timeout); "
        "that is right if it has ended because there was nothing to train"
    )


def _read(connection: socket.socket, kind: type[M], until: _Until | None = None) -> M:
    """Read one line.

    Args:
        connection: a connection with a timeout.
        kind: the struct of the line.
        until: wait until then; None: until the timeout of the connection.

    Raises:
        OSError: the connection ends, or the time is over.
        msgspec.MsgspecError: the line is not such a struct.
    """
    line = b""
    while not line.endswith(b"\n"):
        # Asked before the look, so that a line that came in time is found.
        is_over = until is None or until.is_over(GRACE_SECONDS)
        try:
            piece = connection.recv(LONGEST_LINE)
        except TimeoutError:
            if is_over:
                raise
            continue
        if not piece or len(line) > LONGEST_LINE:
            raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        line += piece
    decoded: Any = msgspec.json.decode(line, type=kind)
    return decoded  # type: ignore[no-any-return]
