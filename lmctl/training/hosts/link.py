"""The connection of the workers while they train: barriers, content that all get, and what all of them know alike.

Every worker takes the same decisions at the same step: when the time limit is over, when a checkpoint is due, when
a signal ends the run. So these follow from numbers that are summed over the workers with each step: the chief's
clock, and whether a worker was interrupted.

A worker that is killed, or stands still, stops sending heartbeats, and TensorFlow's coordination service ends the
collective operations of the others. A worker that lives but does not come is found by the barrier before each
step. Whatever else may keep a worker waiting is ended by a thread of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

# The coordination service has no public interface in Python (TensorFlow 2.21).
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from lmctl.errors import LmctlError, WorkerLostError, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lmctl.training.hosts.cluster import Cluster

# A worker that sends no heartbeat for so long is lost.
HEARTBEAT_SECONDS = 30.0
# Longest time in collective operations after a barrier, as a multiple of the longest wait at it. Compiling the
# first step takes a part of it.
LONGEST_STEP = 4
# Numbers of an array that are sent at once.
NUMBERS_AT_ONCE = 1 << 22
# Seconds for the other workers to say that they wait, too.
ROLL_CALL_SECONDS = 2.0

# The errors of barriers and collective operations if a worker is missing. Other errors are faults of this worker.
LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)

# The longest wait at a barrier, 20 days, in milliseconds.
_LONGEST_WAIT_MS = 20 * 24 * 3600 * 1000
_TASK = re.compile(r"/job:worker/(?:replica:0/)?task:([0-9]+)")


class Link:
    """The connection of this worker with the others, from the meeting to the end of the training.

    Args:
        cluster: the workers.
        seconds: longest wait for another worker at a barrier.
        interrupted: whether a signal has asked this worker to end.
        clock: a monotonic clock in seconds. That of the chief decides.

    Attributes:
        cluster: the workers.
        strategy: a strategy of tf.distribute that keeps a copy of the network in each process.

    Raises:
        WorkerLostError: the workers could not be connected.
    """

    def __init__(
        self,
        cluster: Cluster,
        seconds: float,
        interrupted: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cluster = cluster
        self._seconds = seconds
        self._interrupted_here = interrupted
        self._clock = clock
        # The chief's clock, and for each worker whether it was interrupted.
        self._known = np.zeros(1 + len(cluster))
        self._watchdog = _Watchdog(cluster)
        with (
            self._watchdog.limited(seconds, "TensorFlow did not connect the workers"),
            self._naming_the_lost("connecting", seconds),
        ):
            self.strategy = _strategy(cluster, min(seconds, HEARTBEAT_SECONDS))
        _restore_handler(signal.SIGTERM)

    def columns(self, columns: int) -> range:
        """The columns of a segment that the copies of this worker read, of this number of columns."""
        copies = self.strategy.num_replicas_in_sync
        share = -(-columns // copies) * (copies // len(self.cluster))
        first = self.cluster.number * share
        return range(min(first, columns), min(first + share, columns))

    def now(self) -> float:
        """The time of the chief's clock at the last step, in seconds."""
        return float(self._known[0])

    def interrupted(self) -> bool:
        """Whether any worker was interrupted before the last step."""
        return bool(self._known[1:].any())

    def check_not_interrupted(self) -> None:
        """End the run if another worker was interrupted.

        Raises:
            WorkerLostError: a worker was interrupted.
        """
        for number in np.flatnonzero(self._known[1:]).tolist():
            raise WorkerLostError(
                f"{self.cluster.name(number)} was interrupted; nothing was published, and the same commands on "
                "all hosts continue"
            )

    @contextlib.contextmanager
    def together(self, what: str, seconds: float | None = None) -> Iterator[None]:
        """Run collective operations in the block, when all workers are there.

        Args:
            what: what they do there, for messages.
            seconds: longest wait for the others; None: as usual.

        Raises:
            WorkerLostError: a worker did not come, or was lost in the block.
        """
        wait = self._seconds if seconds is None else seconds
        longest = wait + LONGEST_STEP * self._seconds
        with self._watchdog.limited(longest, f"{what} did not end"), self._naming_the_lost(what, wait):
            # Waits in C++ for at most this time; a signal is handled afterwards.
            context.context().wait_at_barrier("lmctl", int(min(1000 * wait, _LONGEST_WAIT_MS)))
            yield

    def pulse(self) -> Any:
        """What this worker adds to the numbers that all know, for a step: float64 (1 + workers,), by copy."""
        return self._of_this_worker(self._own_numbers())

    def beat(self, summed: Any) -> None:
        """Take note of the sum of all pulses, float64 (1 + workers,)."""
        self._known = summed.numpy()

    def synchronize(self) -> None:
        """Let all workers know the time of the chief, before the first step.

        Raises:
            WorkerLostError: a worker did not come, or was lost.
        """
        with self.together("starting"):
            self._known = self._sum(self._own_numbers())

    def _own_numbers(self) -> np.ndarray[Any, Any]:
        own = np.zeros(len(self._known))
        if self.cluster.is_chief:
            own[0] = self._clock()
        own[1 + self.cluster.number] = self._interrupted_here()
        return own

    def broadcast(self, content: bytes | None, seconds: float | None = None) -> bytes:
        """Give content of the chief to all workers.

        Args:
            content: the content; None on other workers.
            seconds: longest wait for the chief; None: as usual.

        Raises:
            WorkerLostError: a worker did not come, or was lost.
        """
        own = b"" if content is None else content
        with self.together("receiving the state of the chief", seconds):
            length = int(self._sum(np.array([len(own)], np.int64))[0])
            padded = np.frombuffer(own.ljust(-(-length // 4) * 4, b"\0") if own else b"", np.int32)
            parts = []
            for start in range(0, -(-length // 4), NUMBERS_AT_ONCE):
                size = min(NUMBERS_AT_ONCE, -(-length // 4) - start)
                part = padded[start : start + size] if own else np.zeros(size, np.int32)
                parts.append(self._sum(part))
        return b"".join(part.tobytes() for part in parts)[:length]

    def check_equal(self, what: str, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Check that all workers have the same bytes in some arrays.

        Args:
            what: what the arrays are, for the message.
            arrays: those of this worker, by name.

        Raises:
            WorkerLostError: a worker did not come, or was lost.
            LmctlError: the contents differ.
        """
        digest = hashlib.sha256()
        for name in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[name]).data)
        digests = np.zeros(len(self.cluster), np.int64)
        digests[self.cluster.number] = int.from_bytes(digest.digest()[:8], "little", signed=True)
        with self.together(f"comparing {what}"):
            digests = self._sum(digests)
        for number in np.flatnonzero(digests != digests[0]).tolist():
            raise LmctlError(
                f"{what} of {self.cluster.name(number)} differ from those of worker 0; nothing was published; "
                "start over with --resume never"
            )

    def gathered(self, value: Any, axis: int) -> Any:
        """The parts of a distributed tensor, of all copies of all workers, along an axis. Only in `together`."""
        return self.strategy.gather(value, axis)

    def _sum(self, values: np.ndarray[Any, Any]) -> Any:
        """The sum of an array over all workers, (N,). Only in `together`."""
        total = tf.distribute.ReduceOp.SUM
        return self.strategy.reduce(total, self._of_this_worker(values), axis=None).numpy()

    def _of_this_worker(self, values: np.ndarray[Any, Any]) -> Any:
        """An array as a distributed tensor: the first copy of this worker has it, and the others have zeros."""
        first = self.cluster.number * (self.strategy.num_replicas_in_sync // len(self.cluster))

        def of_copy(place: Any) -> Any:
            is_first = int(place.replica_id_in_sync_group) == first
            return tf.constant(values if is_first else np.zeros_like(values))

        return self.strategy.experimental_distribute_values_from_function(of_copy)

    @contextlib.contextmanager
    def _naming_the_lost(self, what: str, seconds: float) -> Iterator[None]:
        """Turn an error of TensorFlow into one that names the worker.

        Raises:
            WorkerLostError: a worker did not come, or was lost.
        """
        try:
            yield
        except LOST as error:
            lost = [self.cluster.name(number) for number in self._lost(error)]
            late = f", or did not come within {seconds:g} s (device.timeout)," if math.isfinite(seconds) else ""
            raise WorkerLostError(
                f"{joined(lost) or 'another worker'} was lost{late} while {what}; nothing was published, and the "
                "same commands on all hosts continue"
            ) from error

    def _lost(self, error: Exception) -> list[int]:
        """The workers that an error of TensorFlow is about; else those that do not answer now."""
        own = self.cluster.number
        named = {int(number) for number in _TASK.findall(str(error))} - {own}
        if named and not isinstance(error, tf.errors.DeadlineExceededError):
            return sorted(number for number in named if number < len(self.cluster))[:1]
        service = context.context()
        with contextlib.suppress(tf.errors.OpError):
            service.set_config_key_value(f"lmctl/waits/{own}", "1")
        time.sleep(ROLL_CALL_SECONDS)
        missing = []
        for number in range(len(self.cluster)):
            try:
                service.get_config_key_value(f"lmctl/waits/{number}", 1)
            except tf.errors.OpError:
                missing.append(number)
        return [number for number in missing if number != own]


class _Watchdog:
    """A thread that ends this process if collective operations take too long. They cannot be interrupted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @contextlib.contextmanager
    def limited(self, seconds: float, what: str) -> Iterator[None]:
        """End this process if the block takes longer.

        Args:
            seconds: longest time.
            what: what it did, for the message.
        """
        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._end, (seconds, what))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self, seconds: float, what: str) -> None:
        line = f"lmctl: worker {self._cluster.number}: {what} within {seconds:g} s; nothing was published\n"
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line)
            sys.stderr.flush()
        os._exit(WorkerLostError.exit_code)


def _restore_handler(number: int) -> None:
    """Restore the handler of a signal that Python knows.

    TensorFlow's service puts one of its own in place of that of SIGTERM (TensorFlow 2.21).
    """
    handler = signal.getsignal(number)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(number, handler)


def _strategy(cluster: Cluster, heartbeat_seconds: float) -> Any:
    """The strategy whose copies are in all workers. TensorFlow starts to listen at this worker's address."""
    job = "worker"
    milliseconds = int(1000 * heartbeat_seconds)
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{job}/task:0",
        heartbeat_timeout_in_ms=milliseconds,
        cluster_register_timeout_in_ms=10 * milliseconds,
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=len(cluster))],
    )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({job: list(cluster.addresses)}),
        task_type=job,
        task_id=cluster.number,
        rpc_layer="grpc",
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)
