"""Reports the progress of long work to a listener; without a listener, a report costs almost nothing.

The work does not pass a listener through its calls:

    with listening(show):
        verify_bundle(folder)

A report changes no result. Threads and processes that the work starts do not report.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listener(Protocol):
    """A function that is called with an activity, the amount done, and the total amount (None: unknown)."""

    def __call__(self, activity: str, done: float, total: float | None) -> None:
        """Handle a report."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(activity: str, done: float = 0, total: float | None = None) -> None:
    """Report the progress of an activity.

    Args:
        activity: a name such as "counting 3-grams".
        done: the amount done, in any unit.
        total: the total amount in the same unit; None: unknown.
    """
    heard_by = _listener.get()
    if heard_by is not None:
        heard_by(activity, done, total)


def listener() -> Listener | None:
    """Return the listener of this block; None if there is none."""
    return _listener.get()


@contextlib.contextmanager
def listening(hears: Listener) -> Iterator[None]:
    """Send all reports of the block to a listener."""
    token = _listener.set(hears)
    try:
        yield
    finally:
        _listener.reset(token)


class Meter:
    """Measures the progress of work on a text, a part of which is read ahead.

    Args:
        activity: name of the work.
        total: size of the text in any unit, such as bytes; None: unknown.

    Attributes:
        units_read: size of the text that has been read, in the same unit.
        tokens_read: number of tokens that have been read.
    """

    def __init__(self, activity: str, total: float | None) -> None:
        self._activity = activity
        self._total = total
        self.units_read = 0.0
        self.tokens_read = 0
        self._tokens_done = 0

    def done(self, tokens: int) -> None:
        """Report that the work on more tokens is done."""
        self._tokens_done += tokens
        if self._total is None:
            tell(f"{self._activity}, {self._tokens_done:,} tokens")
        elif self.tokens_read:
            done = self.units_read * self._tokens_done / self.tokens_read
            tell(self._activity, min(done, self._total), self._total)
