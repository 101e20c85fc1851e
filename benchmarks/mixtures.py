"""Perplexity of two texts under n-grams, a network and their mixture, with and without a cache.

    python -m benchmarks.mixtures corpus models/network valid.txt test.txt --cache 2000

`corpus` is the prepared corpus on which the network was trained. N-grams are counted on it, and mixed with the
network on valid.txt. `lmctl eval --state carry` scores both texts with every model, without a cache and with one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import lmctl_program, measure


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--cache", type=int, default=2000, metavar="N")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    print("model\tvocabulary\tstate\ttext\tOOV rate\tperplexity\twith cache\tseconds\twith cache")
    with tempfile.TemporaryDirectory() as folder:
        ngrams, mixture = Path(folder) / "ngrams", Path(folder) / "mixture"
        counting = measure(
            [
                *(lmctl_program(), "train", str(arguments.corpus), "-o", str(ngrams)),
                *("--set", "model.family=ngram", *(f"--set={text}" for text in arguments.assignments)),
            ]
        )
        members = [str(arguments.network), str(ngrams)]
        mixing = measure(
            [
                *(lmctl_program(), "mix", *members, "--valid", str(arguments.valid)),
                *("-o", str(mixture), "--json"),
            ]
        )
        weights = [f"{member['weight']:.3f}" for member in json.loads(mixing.output)["members"]]
        for name, model in (
            ("n-grams", ngrams),
            ("network", arguments.network),
            (f"mixture, {' + '.join(weights)}", mixture),
        ):
            for text in (arguments.valid, arguments.test):
                alone, seconds = _evaluate(model, text, 0)
                # A network has a cache only if it was trained or mixed with a text on which the cache was tuned.
                cached, cached_seconds = _evaluate(model, text, arguments.cache)
                print(
                    f"{name}\t{alone['vocabulary_size']}\tcarry\t{text.name}\t{alone['oov_rate']:.4f}\t"
                    f"{alone['perplexity']:.2f}\t{cached['perplexity']:.2f}\t{seconds:.1f}\t{cached_seconds:.1f}",
                    flush=True,
                )
    print(f"counting took {counting.seconds:.1f} s, mixing and tuning {mixing.seconds:.1f} s")


def _evaluate(model: Path, text: Path, cache: int) -> tuple[dict[str, Any], float]:
    command = [lmctl_program(), "eval", "-m", str(model), "--state", "carry", "--json", str(text)]
    finished = measure([*command, "--cache", str(cache)])
    figures: dict[str, Any] = json.loads(finished.output.splitlines()[-1])
    return figures, finished.seconds


if __name__ == "__main__":
    main()
