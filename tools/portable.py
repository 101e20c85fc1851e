"""Run the tests as on other machines: with fewer instructions, and on one core.

    python -m tools.portable [arguments of pytest]

Environment variables make NumPy, OpenBLAS, oneDNN and XLA avoid instructions that this processor has. Sums are
then computed in another order and with other rounding errors. A test that asserts the result of one processor
fails here.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# In parallel, as in `make test`. On one core, there is no worker process (tests/conftest.py).
PYTEST = ("-q", "-p", "no:cacheprovider", "-n", "auto", "--dist", "worksteal")
# Tests of code that computes with floating-point numbers.
COMPUTING = ("tests/families", "tests/layers", "tests/query", "tests/training")
# Tests of code that uses several threads or processes.
PARALLEL = ("tests/corpus", "tests/jobs", "tests/cli", "tests/store", "tests/text")


def main() -> int:
    """Run all variants; return 1 if one has failed."""
    failed = []
    for name, environment, cores, folders in variants():
        settings = " ".join(f"{key}={value}" for key, value in environment.items())
        print(f"== {name}: {settings or ' '.join(map(str, sorted(cores)))}", flush=True)
        command = [sys.executable, "-m", "pytest", *PYTEST, *folders, *sys.argv[1:]]
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            finished = subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False)  # noqa: S603
        finally:
            os.sched_setaffinity(0, before)
        if finished.returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "all variants passed", flush=True)
    return 1 if failed else 0


def variants() -> list[tuple[str, dict[str, str], set[int], tuple[str, ...]]]:
    """The name of each variant, its environment variables, its cores, and its tests."""
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
        ("no AVX-512", avx2, cores, COMPUTING),
        ("no AVX, no oneDNN", avx2 | sse, cores, COMPUTING),
        ("one core", {}, {min(cores)}, (*COMPUTING, *PARALLEL)),
    ]


def numpy_features() -> list[str]:
    """NumPy's names of the optional instruction sets that it uses on this processor."""
    core = importlib.import_module("numpy._core._multiarray_umath")
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]


if __name__ == "__main__":
    sys.exit(main())
