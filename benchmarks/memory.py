"""Resident memory of `lmctl train`, phase by phase: at the end of each phase, and its peak.

    python -m benchmarks.memory CORPUS --steps 100 --set preset=medium

The phases are those of the run's own events and reports of progress. Linux counts the peak of a phase exactly: it
forgets the last peak if asked (/proc/self/clear_refs). Anonymous memory is the process's own. File memory is pages
of programs and libraries. Processes share one copy of them, and the system drops them if memory is short. The
processes that count n-grams are not measured.

A row "checkpoint" needs checkpoints between steps, such as `--set publishing.checkpoint_every=1s`.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmctl import progress
from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import CheckpointSaved
from lmctl.training.events import EpochDone, StepDone, TrainingStarted

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"
# Phases by the beginnings of reports.
ACTIVITIES = {
    r"\w+ \d-grams": "n-grams",
    "scoring": "scoring",
    "loading TensorFlow": "import of TensorFlow",
    "making the network": "network and optimizer",
    "(reading|tuning) .*cache": "tuning a cache",
    "checking weights": "publishing",
}


@dataclass(slots=True)
class Phase:
    """Megabytes (10^6 bytes) of a phase: at its end, and at its peak."""

    name: str
    anonymous: float = 0.0
    file: float = 0.0
    peak: float = 0.0


class Phases:
    """The phases of a run, which its events and reports begin and end."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.done: list[Phase] = []
        self._name = "corpus"

    def event(self, event: Any) -> None:
        """Receive an event of the run."""
        if isinstance(event, TrainingStarted):
            self.begin("first step")
        elif isinstance(event, StepDone):
            if event.step == self._steps:
                self.begin("validation and checkpoint")
            elif self._name != "steps":
                self.begin("steps")
        elif isinstance(event, CheckpointSaved) and self._name == "steps":
            self.begin("checkpoint between steps")
        elif isinstance(event, EpochDone):
            self.begin("result")

    def activity(self, activity: str, done: float, total: float | None) -> None:  # noqa: ARG002
        """Receive a report of progress."""
        for beginning, name in ACTIVITIES.items():
            if re.match(beginning, activity):
                self.begin(name)

    def begin(self, name: str) -> None:
        """End the phase, unless it has this name."""
        if name == self._name:
            return
        lines = (line.split() for line in STATUS.read_text(encoding="utf-8").splitlines())
        kilobytes = {line[0]: float(line[1]) for line in lines if line[-1] == "kB"}
        found = [1024e-6 * kilobytes[key] for key in ("RssAnon:", "RssFile:", "VmHWM:")]
        self.done.append(Phase(self._name, *found))
        self._name = name
        CLEAR.write_text(FORGET_PEAK, encoding="utf-8")


def main() -> None:
    """Print a row for each phase."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path, help="a prepared corpus")
    parser.add_argument("--steps", type=int, default=100, help="steps of training")
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    phases = Phases(arguments.steps)
    settings = read_settings(assignments=[*arguments.assignments, f"training.steps={arguments.steps}"])
    with tempfile.TemporaryDirectory() as folder, progress.listening(phases.activity):
        train([str(arguments.corpus)], Path(folder) / "model", settings, Policies(), phases.event)
        phases.begin("")
    print("phase\tanonymous MB at its end\tfile MB\tsum\tpeak")
    for name, group in itertools.groupby(phases.done, key=lambda phase: phase.name):
        same = list(group)
        last, peak = same[-1], max(phase.peak for phase in same)
        print(f"{name}\t{last.anonymous:.0f}\t{last.file:.0f}\t{last.anonymous + last.file:.0f}\t{peak:.0f}")


if __name__ == "__main__":
    main()
