"""Run the tests as other machines would: with fewer instructions, and on one core.

    python -m tools.portable [arguments of pytest]

NumPy, OpenBLAS, oneDNN and XLA can each be told to leave out instructions that this processor has. Sums then come
in another order and with other roundings: a test that asserts what one processor gives fails here.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The rooms that compute, and those whose work is spread over threads and processes.
COMPUTES = ("tests/counting", "tests/networks", "tests/query", "tests/runtime", "tests/training")
SPREADS = ("tests/corpus", "tests/jobs", "tests/cli", "tests/store", "tests/text")


def main() -> int:
    """Run all variants; returns 1 where one has failed."""
    failed = []
    for name, environment, cores, folders in variants():
        said = " ".join(f"{key}={value}" for key, value in environment.items())
        print(f"== {name}: {said or ' '.join(map(str, sorted(cores)))}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders, *sys.argv[1:]]
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            finished = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False)  # noqa: S603
        finally:
            os.sched_setaffinity(0, before)
        if finished.returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "the same everywhere", flush=True)
    return 1 if failed else 0


def variants() -> list[tuple[str, dict[str, str], set[int], tuple[str, ...]]]:
    """Each variant's name, what it adds to the environment, the cores it may use, and the tests it runs."""
    cores = os.sched_getaffinity(0)
    avx2 = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_features()),
        "OPENBLAS_CORETYPE": "Haswell",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    }
    sse = {
        "OPENBLAS_CORETYPE": "Nehalem",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
    }
    return [
        ("no AVX-512", avx2, cores, COMPUTES),
        ("no AVX, no oneDNN", avx2 | sse, cores, COMPUTES),
        ("one core", {}, {min(cores)}, (*COMPUTES, *SPREADS)),
    ]


def numpy_features() -> list[str]:
    """What this NumPy would use beyond its build's baseline on this processor, by its own names."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]


if __name__ == "__main__":
    sys.exit(main())
