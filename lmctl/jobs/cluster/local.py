"""A cluster on this machine, for the time of a block.

It has a process of its own, which starts the workers. So no worker receives the signals of a terminal, and all end
with this process, however it ends. Dask's LocalCluster starts workers by multiprocessing, which would import the
user's main program again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO, TYPE_CHECKING

from lmctl.errors import LmctlError, UnavailableError
from lmctl.jobs.train.signals import signals_held_back
from lmctl.jobs.workers import import_path, python_flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The program of a process. The folders of this process's path come after its own path.
START = "import sys; sys.path += sys.argv[3:]; from lmctl.jobs.cluster.local import {0}; {0}()"
# Importing Dask and starting the workers takes about three seconds; a busy machine takes longer.
SECONDS_TO_START, SECONDS_TO_END, SECONDS_TO_RESTART = 120.0, 10.0, 0.5
# A task whose worker has died so often is done once more; the next death ends the work.
ALLOWED_FAILURES = 2
HOST = "127.0.0.1"
# Beginning of the name of a folder for the files of Dask.
CLUSTER_FOLDER = "cluster-"


@contextlib.contextmanager
def local_cluster(workers: int, folder: Path) -> Iterator[str]:
    """Start a scheduler and workers, and yield the address. They end with the block.

    Args:
        workers: number of worker processes, each with one thread.
        folder: a folder for the files of Dask, which are removed.

    Raises:
        LmctlError: no process can be started.
        UnavailableError: the cluster does not start.
    """
    process: subprocess.Popen[bytes] | None = None
    own = tempfile.mkdtemp(prefix=CLUSTER_FOLDER, dir=folder)
    try:
        try:
            # The processes inherit that the signals are blocked.
            with signals_held_back():
                process = subprocess.Popen(  # noqa: S603  Python itself
                    [
                        sys.executable or "",
                        *python_flags(),
                        "-c",
                        START.format("main"),
                        str(workers),
                        own,
                        *import_path(),
                    ],
                    # The process ends when it is closed, which the kernel does if this process is killed.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
        except OSError as error:
            raise LmctlError(f"a cluster cannot be started: {error.strerror}") from error
        yield _address(process)
    finally:
        if process is not None:
            _end(process)
        shutil.rmtree(own, ignore_errors=True)


def _address(process: subprocess.Popen[bytes]) -> str:
    """The first line that the process writes."""
    line = _line(process.stdout) if process.stdout is not None else b""
    if not line.endswith(b"\n"):
        raise UnavailableError("a cluster on this machine did not start; do the work without --scheduler")
    return line.decode().strip()


def _line(pipe: IO[bytes]) -> bytes:
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return pipe.readline() if selector.select(SECONDS_TO_START) else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all processes of the cluster. They write only to the folder that they were given."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Run the cluster until standard input is closed."""
    workers, folder = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _configure(folder)
    asyncio.run(_serve(workers, folder))


def work() -> None:
    """Run a worker until the scheduler ends."""
    address, folder = sys.argv[1:3]
    _configure(folder)
    asyncio.run(_work(address, folder))


def _configure(folder: str) -> None:
    import dask

    dask.config.set({"distributed.scheduler.allowed-failures": ALLOWED_FAILURES, "temporary-directory": folder})


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    # Closing in order takes a second, and leaves nothing that killing would not.
    os.killpg(0, signal.SIGKILL)


async def _serve(workers: int, folder: str) -> None:
    """Run the scheduler; start workers, and others in place of those that died.

    A nanny of Dask's would not start another worker if one dies of its first task.
    """
    from distributed import Scheduler

    # Without a dashboard, this is the port of Dask's other pages, which are on all addresses by default.
    async with Scheduler(host=HOST, port=0, dashboard=False, dashboard_address=f"{HOST}:0") as scheduler:
        sys.stdout.write(f"{scheduler.address}\n")
        sys.stdout.flush()
        running: list[subprocess.Popen[bytes]] = []
        while True:
            running = [process for process in running if process.poll() is None]
            while len(running) < workers:
                running.append(_started(scheduler.address, folder))
            await asyncio.sleep(SECONDS_TO_RESTART)


def _started(address: str, folder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  Python itself
        [sys.executable or "", *python_flags(), "-c", START.format("work"), address, folder, *import_path()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


async def _work(address: str, folder: str) -> None:
    from distributed import Worker

    async with Worker(
        address,
        nthreads=1,
        host=HOST,
        dashboard_address=f"{HOST}:0",
        local_directory=folder,
        # Like the workers of --jobs, it takes what the work needs.
        memory_limit=0,
    ) as worker:
        await worker.finished()
