"""Training from yesterday's model, against training from random weights: the corpus has grown a little since.

    python -m benchmarks.warm_start train.txt valid.txt --growth 0.01,0.05,0.1 --epochs 4 --set preset=medium
    python -m benchmarks.warm_start train.txt valid.txt --growth 0.01 --nights 10 --epochs 4

Today's text is all lines. The text of n nights ago lacks the last lines, so that every night has added `--growth`
of the text before. A model is trained on the oldest text from random weights (cold start). Each later text starts
from the model of the night before, with a growing vocabulary (warm start). Today's text is also trained on from
random weights; that perplexity is the goal. Both vocabularies of today are the same, so the perplexities may be
compared. Steps and seconds are those of training, without validation. The seconds include TensorFlow's compilation
of the first step (about 2 s), which weighs more in a short warm start.

The plan of a warm start is for its whole length: it has one validation, at its end, unless it has several epochs.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import msgspec

from benchmarks.processes import lmctl_program
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import find_bundle
from lmctl.training.events import EpochDone


def main() -> None:
    """Print a row for each training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--growth", default="0.05", help="share by which a night adds to the text; several")
    parser.add_argument("--nights", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    parser.add_argument(
        "--warm-set", action="append", default=[], metavar="KEY=VALUE", help="for the warm starts alone"
    )
    arguments = parser.parse_args()
    # N-grams beside the network are not part of this benchmark.
    assignments = ["training.baseline=false", *arguments.assignments]
    cold = ["--valid", str(arguments.valid), "--epochs", str(arguments.epochs)]
    cold += [f"--set={text}" for text in assignments]
    warm = [*cold, "--grow-vocabulary", *(f"--set={text}" for text in arguments.warm_set)]
    print("growth\tstart\tvalid perplexity\tagainst the goal\tsteps\tsteps / cold steps\tseconds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        goal = _train(arguments.train, folder / "cold", cold)
        _show("", "random, today's text", goal, goal)
        lines = arguments.train.read_bytes().splitlines(keepends=True)
        for growth in map(float, arguments.growth.split(",")):
            text = folder / f"{growth}.txt"
            before: Path | None = None
            for night in range(arguments.nights, -1, -1):
                text.write_bytes(b"".join(lines[: round(len(lines) / (1 + growth) ** night)]))
                model = folder / f"{growth}-{night}"
                options = cold if before is None else [*warm, "--init-from", str(before)]
                ago = "today" if not night else f"{night} night{'' if night == 1 else 's'} ago"
                history = _train(text, model, options)
                _show(f"{growth:g}", f"{'random' if before is None else 'warm'}, {ago}", history, goal)
                before = model


def _train(text: Path, model: Path, options: list[str]) -> list[EpochDone]:
    subprocess.run(
        [lmctl_program(), "train", str(text), "-o", str(model), *options], check=True, capture_output=True
    )
    history = open_bundle(find_bundle(str(model))).history()
    return [msgspec.convert(epoch, EpochDone) for epoch in history]


def _show(growth: str, name: str, history: list[EpochDone], goal: list[EpochDone]) -> None:
    perplexity, steps = _best(history), history[-1].step
    seconds = sum(epoch.seconds for epoch in history)
    against = f"{100 * (perplexity / _best(goal) - 1):+.2f} %"
    ratio = f"{steps / goal[-1].step:.3f}"
    print(f"{growth}\t{name}\t{perplexity:.2f}\t{against}\t{steps}\t{ratio}\t{seconds:.1f}", flush=True)


def _best(history: list[EpochDone]) -> float:
    return min(epoch.valid_perplexity for epoch in history if epoch.valid_perplexity is not None)


if __name__ == "__main__":
    main()
