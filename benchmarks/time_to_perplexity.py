"""Seconds of training until `lmctl train` reaches the perplexity of another program after some minutes.

    python -m benchmarks.time_to_perplexity train.txt valid.txt --yardstick "python torch_wordlm.py" \
        --minutes 10 --set preset=medium --set training.epochs=3

The goal is the yardstick's last validation perplexity, or one that was measured before (--target-perplexity and
--target-seconds). The time includes TensorFlow's compilation, and excludes validation. Both texts should have the
same words, as in WikiText with its `<unk>`: the yardstick's vocabulary includes the words of the validation text,
lmctl's does not.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.yardstick import prepare_corpus, run_lmctl, run_yardstick

if TYPE_CHECKING:
    from lmctl.training.events import EpochDone


def main() -> None:
    """Print a row for the yardstick, and one for the epoch in which lmctl reached the goal or came closest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--yardstick", help="a program with torch_wordlm.py's command line")
    parser.add_argument("--minutes", type=float, default=10.0, help="minutes of training of the yardstick")
    parser.add_argument("--target-perplexity", type=float, help="perplexity of the yardstick, measured before")
    parser.add_argument(
        "--target-seconds", type=float, help="seconds of training in which the yardstick reached it"
    )
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    known = [arguments.target_perplexity is not None, arguments.target_seconds is not None]
    if any(known) != all(known) or any(known) == (arguments.yardstick is not None):
        parser.error("either --yardstick, or --target-perplexity and --target-seconds")
    print("program\tended\tvalid perplexity\tseconds of training\tratio")
    goal, seconds, ended = arguments.target_perplexity, arguments.target_seconds, "measured before"
    if arguments.yardstick is not None:
        yardstick = run_yardstick(arguments.yardstick, arguments.train, arguments.valid, minutes=arguments.minutes)
        if yardstick.valid_perplexity is None:
            parser.error("--yardstick: the program printed no validation perplexity")
        goal, seconds, ended = yardstick.valid_perplexity, yardstick.seconds, f"{arguments.minutes:g} minutes"
    print(f"yardstick\t{ended}\t{goal:.2f}\t{seconds:.1f}\t1.00", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        prepare_corpus(arguments.train, arguments.valid, corpus)
        history = run_lmctl(corpus, Path(folder) / "model", arguments.assignments).history
    epoch, perplexity, lmctl_seconds = reached(history, goal)
    note = "" if perplexity <= goal else " (best, goal not reached)"
    print(f"lmctl\tepoch {epoch}{note}\t{perplexity:.2f}\t{lmctl_seconds:.1f}\t{lmctl_seconds / seconds:.2f}")


def reached(history: list[EpochDone], goal: float) -> tuple[int, float, float]:
    """The first epoch whose validation perplexity is at most `goal`, else the one with the lowest.

    Returns:
        Its number, its perplexity, and the seconds of training up to its end.
    """
    seconds = accumulate(epoch.seconds for epoch in history)
    epochs = [
        (epoch.epoch, epoch.valid_perplexity, passed)
        for epoch, passed in zip(history, seconds, strict=True)
        if epoch.valid_perplexity is not None
    ]
    good = [epoch for epoch in epochs if epoch[1] <= goal]
    return good[0] if good else min(epochs, key=lambda epoch: epoch[1])


if __name__ == "__main__":
    main()
