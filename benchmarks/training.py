"""Speed and validation perplexity of `lmctl train`, beside another program on the same text.

    python -m benchmarks.training train.txt valid.txt --yardstick "python torch_wordlm.py" \
        --yardstick-steps 2984 --set training.epochs=1

The yardstick is called with TRAIN VALID --steps N, and its last line that says `valid PERPLEXITY` counts.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tempfile
from pathlib import Path

from benchmarks.processes import Measured, lmctl_program, measure


def main() -> None:
    """Print a row for each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--yardstick", help="a program with torch_wordlm.py's command line")
    parser.add_argument("--yardstick-steps", type=int, default=2984, help="how many steps of 20 x 35 tokens")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    print("program\tseconds, all\ttokens/s, training alone\tvalid perplexity\tpeak RSS")
    if arguments.yardstick:
        steps = ["--steps", str(arguments.yardstick_steps)]
        run = measure([*shlex.split(arguments.yardstick), str(arguments.train), str(arguments.valid), *steps])
        speeds = re.findall(r"([0-9.]+) tokens/s", run.output)
        perplexities = re.findall(r"valid ([0-9.]+)", run.output)
        _print_row("yardstick", run, float(speeds[-1]), float(perplexities[-1]))
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        settings = [part for assignment in arguments.assignments for part in ("--set", assignment)]
        command = [lmctl_program(), "train", str(arguments.train), "--valid", str(arguments.valid)]
        run = measure([*command, "-o", str(model), "--set", "text.blank_lines=keep", "--json", *settings])
        history = [json.loads(line) for line in (model / "current/history.jsonl").read_text().splitlines()]
        seconds = sum(epoch["seconds"] for epoch in history)
        _print_row("lmctl", run, history[-1]["tokens"] / seconds, json.loads(run.output)["valid_perplexity"])


def _print_row(program: str, run: Measured, tokens_per_second: float, perplexity: float) -> None:
    print(
        f"{program}\t{run.seconds:.0f}\t{tokens_per_second:,.0f}\t{perplexity:.2f}\t"
        f"{run.peak_rss_bytes / 1e9:.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    main()
