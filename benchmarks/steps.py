"""Milliseconds of a training step of a network, compared over presets, precisions or other settings.

    python -m benchmarks.steps CORPUS -- preset=medium,device.precision=float32 preset=medium preset=fast

Each argument is one configuration: assignments with commas between. A configuration is measured in processes of
its own, in turn with the others, on real batches of a prepared corpus. The first ten steps, in which TensorFlow
compiles, are left out. The processor time is that of all threads; together with the number of cores it tells how
busy they were.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from pathlib import Path

from benchmarks.processes import measure, peak_rss_bytes
from lmctl.config import read_settings
from lmctl.corpus.prepared import PreparedCorpus

FIRST_MEASURED = 10


def main() -> None:
    """Print a row for each configuration: the median of its rounds, each of which has the median of its steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path, help="a prepared corpus")
    parser.add_argument("configurations", nargs="+", metavar="KEY=VALUE,...")
    parser.add_argument("--steps", type=int, default=50, help="measured steps in a process")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_steps(arguments.corpus, arguments.configurations[0].split(","), arguments.steps)))
        return
    found: dict[str, list[dict[str, float]]] = {each: [] for each in arguments.configurations}
    command = [sys.executable, "-m", "benchmarks.steps", str(arguments.corpus), "--one", "--steps"]
    for _ in range(arguments.rounds):
        for configuration, rows in found.items():
            run = measure([*command, str(arguments.steps), configuration])
            rows.append(json.loads(run.output.splitlines()[-1]))
    print("configuration\tms, median of rounds\tfrom, to\tprocessor ms\ttokens/s\tpeak MB")
    for configuration, rows in found.items():
        wall = sorted(row["milliseconds"] for row in rows)
        speed = statistics.median(row["tokens_per_second"] for row in rows)
        processor = statistics.median(row["processor_milliseconds"] for row in rows)
        peak = max(row["peak_bytes"] for row in rows) / 1e6
        print(
            f"{configuration}\t{statistics.median(wall):.1f}\t{wall[0]:.1f}, {wall[-1]:.1f}\t{processor:.1f}\t"
            f"{speed:,.0f}\t{peak:.0f}"
        )


def _steps(folder: Path, assignments: list[str], count: int) -> dict[str, float]:
    """Medians of the steps of one configuration in this process."""
    # These import TensorFlow, which the process that starts the others does not need.
    from lmctl.training.run import device_for
    from lmctl.training.setup import Setup

    corpus = PreparedCorpus.open(folder)
    config = read_settings(assignments=assignments).resolve(corpus.record.train.tokens)
    device = device_for(corpus, config)
    walls, processors = [], []
    with device.scope():
        setup = Setup.of(corpus, config, device)
        steps = setup.steps
        state = steps.null_state(setup.batches.batch_size)
        segments = itertools.chain.from_iterable(setup.batches.segments(epoch) for epoch in itertools.count())
        for step, segment in enumerate(itertools.islice(segments, FIRST_MEASURED + count)):
            wall, processor = time.perf_counter(), time.process_time()
            _, state = steps.train(segment, state, seed=1, step=step, rate=0.001)
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
    median = statistics.median(walls[FIRST_MEASURED:])
    return {
        "milliseconds": 1000 * median,
        "processor_milliseconds": 1000 * statistics.median(processors[FIRST_MEASURED:]),
        "tokens_per_second": setup.batches.batch_size * setup.batches.num_steps / median,
        "peak_bytes": peak_rss_bytes(os.getpid()),
    }


if __name__ == "__main__":
    main()
