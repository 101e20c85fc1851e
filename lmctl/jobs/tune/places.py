"""The places where trials run: this machine, one trial after the other, or the workers of a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.jobs.tune.trial_process import TrialCommand, TrialEnd

    RunTrial = Callable[[TrialCommand, Callable[[dict[str, Any]], bool], Callable[[], bool]], TrialEnd]


class Places(Protocol):
    """Where trials run."""

    def has_room(self) -> bool:
        """Whether another trial may begin."""
        ...

    def start(self, number: int, command: TrialCommand) -> str | None:
        """Begin a trial. `has_room` has just answered that there is room.

        Args:
            number: of the trial.
            command: its arguments.

        Returns:
            The name of the worker that runs it; None: it runs on this machine.
        """
        ...

    def wait(
        self, is_to_be_cut: Callable[[int, dict[str, Any]], bool], is_over: Callable[[int], bool]
    ) -> tuple[int, TrialEnd] | None:
        """Wait until a trial has ended, or another one may begin.

        Args:
            is_to_be_cut: called with the number of a trial and an event of its run; the trial is ended if it
                returns true.
            is_over: called with the numbers of the trials that run, all the time; a trial is asked to write a
                checkpoint and to end if it returns true.

        Returns:
            The number of a trial that has ended, and how; None: none has.
        """
        ...


class OnePlace:
    """This machine.

    Args:
        run: runs a trial to its end.
    """

    def __init__(self, run: RunTrial) -> None:
        self._run = run
        self._next: tuple[int, TrialCommand] | None = None

    def has_room(self) -> bool:
        """See `Places`."""
        return self._next is None

    def start(self, number: int, command: TrialCommand) -> None:
        """See `Places`. The trial runs in `wait`."""
        self._next = number, command

    def wait(
        self, is_to_be_cut: Callable[[int, dict[str, Any]], bool], is_over: Callable[[int], bool]
    ) -> tuple[int, TrialEnd] | None:
        """See `Places`."""
        if self._next is None:
            return None
        (number, command), self._next = self._next, None
        return number, self._run(command, partial(is_to_be_cut, number), partial(is_over, number))
