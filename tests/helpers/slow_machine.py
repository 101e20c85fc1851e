"""A machine with a clock of its own: every piece of work takes the time that its size says, and no other."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from lmctl.corpus.batches import Segment

# Seconds of the work at full speed.
STEP, SEGMENT, TOKEN, REPORT, FIXED = 0.2, 0.05, 0.003, 0.02, 0.4
# Work of a fixed size that no step of a run can leave out, by the names under which it is called.
FIXED_WORK = (
    "lmctl.jobs.train.fitting.load_tensorflow",
    "lmctl.jobs.train.fitting.bundle_result",
    "lmctl.jobs.train.publish.verify_answers",
    "lmctl.store.generations.ModelFolder.publish",
)


class Machine:
    """A machine whose speed may halve at some time.

    Args:
        halves_at: the time, in seconds of its clock; None: the speed stays.

    Attributes:
        seconds: the time.
        steps: number of training steps that were done.
    """

    def __init__(self, halves_at: float | None = None) -> None:
        self._halves_at = float("inf") if halves_at is None else halves_at
        self.seconds = 0.0
        self.steps = 0

    def __call__(self) -> float:
        return self.seconds

    def work(self, seconds: float) -> None:
        """Do work that takes so many seconds at full speed."""
        before = min(seconds, max(0.0, self._halves_at - self.seconds))
        self.seconds += before + 2 * (seconds - before)

    def run_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Do the work of a training run on this machine. Steps compute nothing: the weights stay as they begin."""
        from lmctl.training.steps import Steps

        def train(_: Steps, segment: Segment, state: Any, **_options: Any) -> tuple[float, Any]:
            self.work(STEP)
            self.steps += 1
            return 3.0 * segment.tokens, state

        def validate(_: Steps, segment: Segment, state: Any) -> tuple[float, int, Any]:
            self.work(SEGMENT)
            # Every epoch is better than the one before.
            return segment.tokens * (2.0 + 1.0 / (1 + self.steps)), segment.tokens, state

        monkeypatch.setattr(Steps, "train", train)
        monkeypatch.setattr(Steps, "validate", validate)
        self._slow_down(monkeypatch, "lmctl.progress.tell", REPORT)
        self._slow_down(monkeypatch, "lmctl.progress.Meter.done", lambda _, tokens: tokens * TOKEN)
        for name in FIXED_WORK:
            self._slow_down(monkeypatch, name, FIXED)

    def _slow_down(self, monkeypatch: pytest.MonkeyPatch, name: str, cost: float | Callable[..., float]) -> None:
        """Let a function take time, in addition to its work."""
        function = _found(name)

        def slow(*arguments: Any, **options: Any) -> Any:
            self.work(cost(*arguments, **options) if callable(cost) else cost)
            return function(*arguments, **options)

        monkeypatch.setattr(name, slow)


def _found(name: str) -> Any:
    """The function of this name, in a module or in a class of one."""
    holder, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(holder), last)
    except ModuleNotFoundError:
        return getattr(_found(holder), last)
