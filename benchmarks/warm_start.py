"""Training from yesterday's model, against training from random weights: which is faster?

    python -m benchmarks.warm_start train.txt valid.txt --epochs 4 --warm-epochs 2 --set preset=medium

Yesterday's text is the first half of the lines, today's text is all of them. One model is trained on the first
half. Then two are trained on the whole text: one from random weights (cold start), one from the first model with a
growing vocabulary (warm start). The goal is the lowest validation perplexity of the cold start. Both vocabularies
are the same, so the perplexities may be compared. Seconds are those of training, without validation and
compilation.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import msgspec

from benchmarks.processes import lmctl_program
from benchmarks.time_to_perplexity import reached
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import find_bundle
from lmctl.training.events import EpochDone


def main() -> None:
    """Print a row for each of the three trainings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--epochs", type=int, default=4, help="epochs of the two cold starts")
    parser.add_argument("--warm-epochs", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    parser.add_argument(
        "--warm-set", action="append", default=[], metavar="KEY=VALUE", help="for the warm start alone"
    )
    arguments = parser.parse_args()
    # N-grams beside the network are not part of this benchmark.
    assignments = ["training.baseline=false", *arguments.assignments]
    common = ["--valid", str(arguments.valid), *(f"--set={text}" for text in assignments)]
    print("start\ttext\tepochs\tvalid perplexity\tsteps\tseconds of training\tratio")
    with tempfile.TemporaryDirectory() as folder:
        half, yesterday = Path(folder) / "half.txt", Path(folder) / "yesterday"
        lines = arguments.train.read_bytes().splitlines(keepends=True)
        half.write_bytes(b"".join(lines[: len(lines) // 2]))
        cold = [*common, "--epochs", str(arguments.epochs)]
        before = _train(half, yesterday, cold)
        print(
            f"random\thalf\t{len(before)}\t{_best(before):.2f}\t{before[-1].step}\t{_seconds(before):.1f}\t",
            flush=True,
        )
        from_nothing = _train(arguments.train, Path(folder) / "cold", cold)
        goal, seconds = _best(from_nothing), _seconds(from_nothing)
        row = f"{len(from_nothing)}\t{goal:.2f}\t{from_nothing[-1].step}\t{seconds:.1f}\t1.00"
        print(f"random\tall\t{row}", flush=True)
        warm = [
            *(*common, *(f"--set={text}" for text in arguments.warm_set)),
            *("--epochs", str(arguments.warm_epochs)),
            *("--init-from", str(yesterday), "--grow-vocabulary"),
        ]
        history = _train(arguments.train, Path(folder) / "warm", warm)
        epoch, perplexity, until = reached(history, goal)
        note = "" if perplexity <= goal else " (best, goal not reached)"
        row = f"{epoch}{note}\t{perplexity:.2f}\t{history[epoch - 1].step}\t{until:.1f}\t{until / seconds:.2f}"
        print(f"yesterday's\tall\t{row}")


def _train(text: Path, model: Path, options: list[str]) -> list[EpochDone]:
    subprocess.run(
        [lmctl_program(), "train", str(text), "-o", str(model), *options], check=True, capture_output=True
    )
    history = open_bundle(find_bundle(str(model))).history()
    return [msgspec.convert(epoch, EpochDone) for epoch in history]


def _best(history: list[EpochDone]) -> float:
    return min(epoch.valid_perplexity for epoch in history if epoch.valid_perplexity is not None)


def _seconds(history: list[EpochDone]) -> float:
    return sum(epoch.seconds for epoch in history)


if __name__ == "__main__":
    main()
