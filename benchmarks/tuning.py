"""Tuning beside the preset and beside random search, on held-out text.

    python -m benchmarks.tuning train.txt valid.txt test.txt --set preset=medium --time-limit 60m --training 10m

    taskset -c 0 python -m benchmarks.tuning train.txt valid.txt test.txt --kinds tune preset &
    taskset -c 1 python -m benchmarks.tuning train.txt valid.txt test.txt --kinds random preset

Three models of the same prepared text: the preset, trained for the time of one training; the best of `lmctl tune`;
and the best of `lmctl tune --search random`, each with the same time limit. Networks are compared without n-grams
beside them. Perplexities are those of the test text, with the same vocabulary. The second form runs both searches
side by side, on a core each. The preset, trained on each core, says how far two runs of one configuration differ.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.processes import lmctl_program, measure

KINDS = ("preset", "tune", "random")
ALONE = ("--set", "training.baseline=false", "--set", "training.with_ngram=false")


def main() -> None:
    """Print a row for each way to a configuration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--lines", type=int, help="only the first lines of the training text")
    parser.add_argument("--time-limit", default="60m", help="time of each study, its last training included")
    parser.add_argument("--training", default="10m", help="time of one training")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="what to run, in this order")
    parser.add_argument("--models", type=Path, help="folder that keeps the models and the studies")
    parser.add_argument("--logs", type=Path, help="folder for the events of each run, as --log-json writes them")
    arguments = parser.parse_args()
    lmctl = lmctl_program()
    settings = [*ALONE, *(part for each in arguments.assignments for part in ("--set", each))]
    print("configuration\ttrials\tvalid perplexity\ttest perplexity\tseconds\tvalues", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = folder / "train.txt"
        lines = arguments.train.read_text(encoding="utf-8").splitlines(keepends=True)
        text.write_text("".join(lines[: arguments.lines]), encoding="utf-8")
        corpus = folder / "corpus"
        measure([lmctl, "prepare", str(text), "-o", str(corpus), "--valid", str(arguments.valid)])
        preset = [lmctl, "train", str(corpus), "--time-limit", arguments.training]
        search = [lmctl, "tune", str(corpus), "--time-limit", arguments.time_limit]
        search += ["--training-time-limit", arguments.training]
        runs = {"preset": preset, "tune": search, "random": [*search, "--search", "random"]}
        for kind in arguments.kinds:
            command = runs[kind]
            model = (arguments.models or folder) / kind
            logs = [] if arguments.logs is None else ["--log-json", str(arguments.logs / f"{kind}.jsonl")]
            run = measure([*command, "-o", str(model), *settings, *logs, "--json"])
            result = json.loads(run.output)
            trained = result.get("trained", result)
            scored = measure([lmctl, "eval", "-m", str(model), str(arguments.test), "--state", "carry", "--json"])
            test = json.loads(scored.output.splitlines()[-1])["perplexity"]
            trials = " ".join(f"{number} {state}" for state, number in result.get("trials", {}).items())
            values = " ".join(f"{key}={value}" for key, value in result.get("values", {}).items())
            row = (kind, trials, f"{trained['valid_perplexity']:.2f}", f"{test:.2f}", f"{run.seconds:.0f}", values)
            print("\t".join(row), flush=True)


if __name__ == "__main__":
    main()
