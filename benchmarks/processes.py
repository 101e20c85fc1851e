"""Run a program and measure it, with the processes that it starts."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a program.

    Attributes:
        seconds: wall time.
        cpu_seconds: processor time, children included.
        peak_rss_bytes: largest resident memory, summed over the process and its descendants, sampled.
        output: standard output.
        errors: standard error.
    """

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    output: str
    errors: str


def lmctl_program() -> str:
    """The `lmctl` that belongs to this Python, else the one on the PATH."""
    beside = Path(sys.executable).with_name("lmctl")
    found = str(beside) if beside.exists() else shutil.which("lmctl")
    if found is None:
        sys.exit("lmctl is not installed")
    return found


def use_one_blas_thread() -> None:
    """Start this program again, with one thread of BLAS, as a command of lmctl has it.

    OpenBLAS reads the number when NumPy is imported, so it is too late to set it here.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606


def measure(command: Sequence[str]) -> Measured:
    """Run a program to its end; if it fails, the benchmark ends."""
    before = _cpu_seconds_of_children()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = [0]
    done = threading.Event()
    sampler = threading.Thread(target=_sample, args=(process.pid, peak, done))
    sampler.start()
    output, errors = process.communicate()
    seconds = time.perf_counter() - began
    done.set()
    sampler.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{errors}")
    return Measured(seconds, _cpu_seconds_of_children() - before, peak[0], output, errors)


def _cpu_seconds_of_children() -> float:
    # os.times counts in hundredths of a second.
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_rss_bytes(process: int) -> int:
    """Largest resident memory of a process so far."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _sample(root: int, peak: list[int], done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        peak[0] = max(peak[0], sum(map(_rss_bytes, _descendants(root))))


def _descendants(root: int) -> list[int]:
    found = [root]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _rss_bytes(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
