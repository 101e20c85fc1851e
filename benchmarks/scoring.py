"""Tokens a second of scoring a text, against the forward pass of a PyTorch network with the same vocabulary.

    python -m benchmarks.scoring models/news test.txt --torch /path/to/a/python/with/torch

lmctl's time includes everything: reading, segmenting, encoding, scoring, summing. It scores as `lmctl eval` does:
with one thread of BLAS, and batches of sentences on each core. The peer's time is the time of the network alone
(torch_forward.py), on ids in memory, with the fastest batch size and its own choice of threads.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import lmctl
from benchmarks.processes import measure, use_one_blas_thread
from lmctl.query.evaluation import evaluate_file

if TYPE_CHECKING:
    from lmctl.query.model import Model

STATES: tuple[Literal["reset", "carry"], ...] = ("reset", "carry")


def main() -> None:
    """Print the medians of alternating runs, and their ratios to the first: the peer's, if there is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--torch", metavar="PYTHON", help="a Python that has torch; without it, lmctl alone")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each")
    arguments = parser.parse_args()
    use_one_blas_thread()
    model = lmctl.load(arguments.model)
    speeds: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        if arguments.torch is not None:
            speeds.setdefault("torch, forward", []).append(torch_speed(arguments.torch, len(model.vocabulary)))
        for state in STATES:
            speeds.setdefault(f"lmctl, state {state}", []).append(lmctl_speed(model, arguments.text, state))
    print("program\ttokens/s, median\tmin\tmax\tratio")
    first = statistics.median(next(iter(speeds.values())))
    for program, of_program in speeds.items():
        median = statistics.median(of_program)
        print(f"{program}\t{median:,.0f}\t{min(of_program):,.0f}\t{max(of_program):,.0f}\t{median / first:.2f}")


def lmctl_speed(model: Model, text: str, state: Literal["reset", "carry"]) -> float:
    """Tokens a second of scoring a text in this process."""
    began = time.perf_counter()
    tokens = evaluate_file(model, text, state=state).tokens
    return tokens / (time.perf_counter() - began)


def torch_speed(python: str, vocabulary_size: int) -> float:
    """Tokens a second of the peer, with the fastest batch size."""
    program = Path(__file__).with_name("torch_forward.py")
    command = [*shlex.split(python), str(program), "--vocabulary", str(vocabulary_size)]
    run = measure(["env", "--unset=OPENBLAS_NUM_THREADS", *command])
    return max(float(line.split("\t")[1]) for line in run.output.splitlines())


if __name__ == "__main__":
    main()
