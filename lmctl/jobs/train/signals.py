"""Record signals, or hold them back, so that a run can end in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from lmctl import progress
from lmctl.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Signals:
    """Whether a signal has asked the run to end."""

    def __init__(self) -> None:
        self._first: int | None = None

    def received(self) -> bool:
        """Whether a signal has arrived."""
        return self._first is not None

    def record(self, number: int) -> None:
        """Record a signal; the first one decides the exit code."""
        if self._first is None:
            self._first = number

    def raise_if_received(self, next_time: str) -> None:
        """End the run if a signal has arrived.

        Args:
            next_time: the end of the message, which says what the same command does next time: "starts over".

        Raises:
            InterruptedRunError: a signal has arrived.
        """
        if self._first is not None:
            message = f"interrupted; nothing was published, and the same command {next_time}"
            raise InterruptedRunError(message, self._first)

    @contextlib.contextmanager
    def enforced(self, next_time: str) -> Iterator[None]:
        """End the run at the first report of progress in the block that comes after a signal, or at its end.

        This is for work of which a part is worth nothing.

        Args:
            next_time: see `raise_if_received`.

        Raises:
            InterruptedRunError: a signal has arrived.
        """
        outer = progress.listener()

        def look(activity: str, done: float, total: float | None) -> None:
            self.raise_if_received(next_time)
            if outer is not None:
                outer(activity, done, total)

        with progress.listening(look):
            yield
        self.raise_if_received(next_time)


@contextlib.contextmanager
def listening_for_signals() -> Iterator[Signals]:
    """Record the first SIGINT, SIGTERM or SIGHUP in this block; a second one has its usual effect.

    A second SIGHUP is recorded, too: if a terminal closes, the kernel and the shell each send one. If SIGHUP was
    ignored before, as under nohup, it stays ignored. In a thread other than the main one, no signal is recorded.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    # All are known before the first one is replaced: a signal may come at once.
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}

    def receive(number: int, _frame: Any) -> None:
        signals.record(number)
        for each, handler in before.items():
            if each != signal.SIGHUP:
                signal.signal(each, handler)

    try:
        for awaited in numbers:
            signal.signal(awaited, receive)
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold SIGINT, SIGTERM and SIGHUP back until the block ends.

    A process that is started in the block inherits that they are blocked, so it never receives them.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    received: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        # A blocked signal may be delivered to another thread, and Python then handles it in this one.
        for number in numbers:
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, _frame: received.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        # All handlers are back before a pending signal is delivered to one of them.
        for held, handler in before.items():
            signal.signal(held, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for held in received:
            signal.raise_signal(held)
