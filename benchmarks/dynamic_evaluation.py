"""Dynamic evaluation of a model, at several rates, beside the model whose weights stay.

    python -m benchmarks.dynamic_evaluation models/network valid.txt --rates 2e-5,3e-5,4e-5 --cache 2000

State carry, OOVs included. Tokens a second are those of the whole process, which loads TensorFlow and measures the
gradients on the kept text first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.processes import lmctl_program, measure


def main() -> None:
    """Print a row for each rate, without and with a cache."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    parser.add_argument("--rates", default="3e-5", help="several, with commas between")
    parser.add_argument("--cache", type=int, default=0, help="number of words; 0: without a cache alone")
    parser.add_argument("--blank-lines", choices=["drop", "keep"], default="keep")
    arguments = parser.parse_args()
    print("cache\trate\tperplexity\ttokens/s")
    for cache in sorted({0, arguments.cache}):
        for rate in (None, *arguments.rates.split(",")):
            dynamic = [] if rate is None else ["--dynamic", "--dynamic-rate", rate]
            command = [lmctl_program(), "eval", "-m", arguments.model, "--state", "carry", "--json"]
            command += ["--cache", str(cache), "--blank-lines", arguments.blank_lines, *dynamic]
            run = measure([*command, str(arguments.text)])
            figures: dict[str, Any] = json.loads(run.output.splitlines()[-1])
            speed = figures["tokens"] / run.seconds
            print(f"{cache}\t{rate or 'weights stay'}\t{figures['perplexity']:.2f}\t{speed:.0f}", flush=True)


if __name__ == "__main__":
    main()
