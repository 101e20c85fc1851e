"""Train on the same text with lmctl and with a yardstick: a program with torch_wordlm.py's command line.

The yardstick is called with TRAIN VALID --steps N, or with --minutes M of training. It cuts lines at white space,
and has every word of both texts in its vocabulary. Every 100 steps it prints `step N S s T tokens`: the seconds of
training, without validation, and the tokens so far. After each epoch, and after the last minute, it prints
`epoch N S s valid P`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from benchmarks.processes import lmctl_program, measure
from lmctl.training.events import EpochDone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FEWEST_STEPS = 200  # A speed needs at least two lines of progress.

# Settings with which lmctl reads a text like the yardstick.
SAME_TEXT = ("text.segmenter=space", "text.normalize=none", "text.blank_lines=keep", "vocabulary.size=null")


@dataclass(frozen=True, slots=True)
class YardstickRun:
    """One run of the yardstick.

    Attributes:
        progress: seconds of training and tokens, so far, after every 100 steps.
        seconds: seconds of training, in total.
        valid_perplexity: validation perplexity at the end; None: it was not printed.
        peak_rss_bytes: largest resident memory.
    """

    progress: list[tuple[float, int]]
    seconds: float
    valid_perplexity: float | None
    peak_rss_bytes: int

    @property
    def tokens_per_second(self) -> float:
        """Speed of training without the first 100 steps, in which the program warms up; needs `FEWEST_STEPS`."""
        (first_seconds, first_tokens), (last_seconds, last_tokens) = self.progress[0], self.progress[-1]
        return (last_tokens - first_tokens) / (last_seconds - first_seconds)


@dataclass(frozen=True, slots=True)
class LmctlRun:
    """One run of `lmctl train` on a prepared corpus.

    Attributes:
        history: the figures of each epoch. Seconds are of training, TensorFlow's compilation of the first
            step (about 2 s) included, validation left out.
        peak_rss_bytes: largest resident memory.
    """

    history: list[EpochDone]
    peak_rss_bytes: int

    @property
    def tokens_per_second(self) -> float:
        """Speed of training, from the first step to the last."""
        return self.history[-1].tokens / sum(epoch.seconds for epoch in self.history)


def run_yardstick(
    command: str, train: Path, valid: Path, *, steps: int | None = None, minutes: float | None = None
) -> YardstickRun:
    """Train with the yardstick.

    Args:
        command: its command line, without the texts and the limit.
        train: the training text.
        valid: the validation text.
        steps: number of steps of training.
        minutes: minutes of training, in place of `steps`.
    """
    limit = ["--minutes", str(minutes)] if steps is None else ["--steps", str(steps)]
    run = measure([*shlex.split(command), str(train), str(valid), *limit])
    progress = [
        (float(seconds), int(tokens))
        for seconds, tokens in re.findall(r"step \d+ ([\d.]+) s (\d+) tok", run.output)
    ]
    validated = re.findall(r"epoch \d+ ([\d.]+) s valid ([\d.]+)", run.output)
    return YardstickRun(
        progress=progress,
        seconds=float(validated[-1][0]) if validated else progress[-1][0],
        valid_perplexity=float(validated[-1][1]) if validated else None,
        peak_rss_bytes=run.peak_rss_bytes,
    )


def prepare_corpus(train: Path, valid: Path, folder: Path) -> None:
    """Prepare the two texts for `run_lmctl`, with the same words as the yardstick."""
    measure([lmctl_program(), "prepare", str(train), "--valid", str(valid), "-o", str(folder), *_set(SAME_TEXT)])


def run_lmctl(corpus: Path, model: Path, assignments: Sequence[str]) -> LmctlRun:
    """Train with lmctl on a prepared corpus, with `--set` for each assignment."""
    command = [lmctl_program(), "train", str(corpus), "-o", str(model), "--force", "--no-gate"]
    run = measure([*command, *_set(assignments)])
    lines = (model / "current/history.jsonl").read_bytes().splitlines()
    return LmctlRun([msgspec.json.decode(line, type=EpochDone) for line in lines], run.peak_rss_bytes)


def _set(assignments: Sequence[str]) -> list[str]:
    return [part for assignment in assignments for part in ("--set", assignment)]
