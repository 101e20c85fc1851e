"""Signals that a job collects or holds back, to end in good order."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def listening_for_signals() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP instead of dying of them; a second one does what it always does.

    A further SIGHUP is collected, too: the kernel and a shell each send one if a terminal closes. It stays ignored
    if it was, as under nohup.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, _frame: Any) -> None:
        received.append(number)
        for each, handler in before.items():
            if each != signal.SIGHUP:
                signal.signal(each, handler)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before: dict[int, Any] = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Let the signals that end a run wait until the block ends; processes started in it never hear of them."""
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
        # One that is pending comes now, and is collected.
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for held, handler in before.items():
            signal.signal(held, handler)
        for held in received:
            signal.raise_signal(held)
