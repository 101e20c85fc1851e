"""Speed of `lmctl train` in tokens a second, against another program on the same text, in alternating short runs.

    python -m benchmarks.training train.txt valid.txt --yardstick "python torch_wordlm.py" \
        --rounds 5 --steps 300 --lmctl-steps 1000 --set preset=medium

Both programs validate. The speed excludes validation, the peak memory includes it. lmctl's speed includes about 2
s in which TensorFlow compiles, and the yardstick's speed excludes its first 100 steps. So with few steps lmctl
looks slower than it is.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.yardstick import FEWEST_STEPS, LmctlRun, YardstickRun, prepare_corpus, run_lmctl, run_yardstick
from lmctl.corpus.vocabulary import NEVER_WORDS, UNKNOWN


def main() -> None:
    """Print a row for each program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--yardstick", required=True, help="a program with torch_wordlm.py's command line")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program")
    parser.add_argument("--steps", type=int, default=300, help="steps of a run of the yardstick")
    parser.add_argument("--lmctl-steps", type=int, default=1000, help="steps of a run of lmctl")
    parser.add_argument(
        "--vocabulary", type=int, metavar="N", help="vocabulary size of both, <unk> and </s> included"
    )
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    if arguments.steps < FEWEST_STEPS:
        parser.error(f"--steps: at least {FEWEST_STEPS}, for a speed after the warm-up")
    runs: dict[str, list[LmctlRun | YardstickRun]] = {"yardstick": [], "lmctl": []}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        train, valid = arguments.train, arguments.valid
        if arguments.vocabulary is not None:
            train, valid = limit_vocabulary(train, valid, arguments.vocabulary, scratch)
        prepare_corpus(train, valid, scratch / "corpus")
        assignments = [*arguments.assignments, f"training.steps={arguments.lmctl_steps}"]
        for _ in range(arguments.rounds):
            runs["yardstick"].append(run_yardstick(arguments.yardstick, train, valid, steps=arguments.steps))
            runs["lmctl"].append(run_lmctl(scratch / "corpus", scratch / "model", assignments))
    _print_table(runs)


def limit_vocabulary(train: Path, valid: Path, size: int, folder: Path) -> tuple[Path, Path]:
    """Write copies of two texts in which all but the most frequent words of the first are `<unk>`.

    Args:
        train: the text whose words are counted; white space separates words.
        valid: the other text.
        size: number of words to keep, `<unk>` and the end of a sentence included.
        folder: where the copies go.

    Returns:
        The copies, in the same order.
    """
    with train.open(encoding="utf-8") as lines:
        counts = Counter(word for line in lines for word in line.split() if word not in NEVER_WORDS)
    known = {word for word, _ in counts.most_common(size - 2)}
    copies = folder / "train.txt", folder / "valid.txt"
    for text, copy in zip((train, valid), copies, strict=True):
        with text.open(encoding="utf-8") as lines, copy.open("w", encoding="utf-8") as file:
            for line in lines:
                print(*(word if word in known else UNKNOWN for word in line.split()), file=file)
    return copies


def _print_table(runs: dict[str, list[LmctlRun | YardstickRun]]) -> None:
    speeds = {program: [run.tokens_per_second for run in of_program] for program, of_program in runs.items()}
    print("program\ttokens/s, median\tmin\tmax\tratio\tpeak RSS")
    for program, of_program in runs.items():
        median = statistics.median(speeds[program])
        print(
            f"{program}\t{median:,.0f}\t{min(speeds[program]):,.0f}\t{max(speeds[program]):,.0f}\t"
            f"{median / statistics.median(speeds['yardstick']):.2f}\t"
            f"{max(run.peak_rss_bytes for run in of_program) / 1e9:.2f} GB"
        )


if __name__ == "__main__":
    main()
