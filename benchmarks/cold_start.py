"""Time of one `lmctl predict` from a cold start, against `python -c "import numpy, click"`, in alternating runs.

python -m benchmarks.cold_start models/news --text "the cat sat on the"

The processor time, user and system, is also told: on a busy machine it is less uneven than wall time. All programs
run with one thread and with compiled modules, as after an installation.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

from benchmarks.processes import Measured, lmctl_program, measure

REFERENCE = "import numpy, click"


def main() -> None:
    """Print the medians of alternating runs, their ratios, and the modules that take longest to import."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--text", default="the cat sat on the")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--imports", type=int, default=0, help="number of modules to list, the slowest first")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    commands = {REFERENCE: [sys.executable, "-c", REFERENCE]} | {
        f"lmctl predict -m {model}": [lmctl_program(), "predict", "-m", model, arguments.text]
        for model in arguments.models
    }
    # The first run of each may compile modules and read files from disk.
    for command in commands.values():
        measure(command)
    runs: dict[str, list[Measured]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            runs[name].append(measure(command))
    wall = {name: statistics.median(run.seconds for run in measured) for name, measured in runs.items()}
    cpu = {name: statistics.median(run.cpu_seconds for run in measured) for name, measured in runs.items()}
    print("program\twall ms\tratio\tprocessor ms\tratio")
    for name in commands:
        print(
            f"{name}\t{1000 * wall[name]:.0f}\t{wall[name] / wall[REFERENCE]:.2f}"
            f"\t{1000 * cpu[name]:.0f}\t{cpu[name] / cpu[REFERENCE]:.2f}"
        )
    if arguments.imports:
        _list_imports(list(commands.values())[-1], arguments.imports, arguments.runs)


def _list_imports(command: list[str], number: int, runs: int) -> None:
    """Print the modules that take longest to import, without those that they import: the least of several runs."""
    least: dict[str, int] = {}
    for _ in range(runs):
        for line in measure([sys.executable, "-X", "importtime", *command]).errors.splitlines():
            own, *_, module = line.removeprefix("import time:").split("|")
            if own.strip().isdecimal():
                name, microseconds = module.strip(), int(own)
                least[name] = min(microseconds, least.get(name, microseconds))
    print(f"{len(least)} modules, {sum(least.values()) / 1000:.1f} ms")
    for module in sorted(least, key=lambda name: -least[name])[:number]:
        print(f"{module}\t{least[module] / 1000:.1f} ms")


if __name__ == "__main__":
    main()
