"""How far a long piece of work has come, told to a listener; without one, telling costs nothing.

What works need not know who watches, and need not hand a listener down through every call:

    with listening(show):
        verify_bundle(folder)

Telling changes no result. Threads and processes that the work starts tell nothing.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listener(Protocol):
    """Told of a piece of work: what it is, how much of it is done, and of how much (None: not known)."""

    def __call__(self, activity: str, done: float, total: float | None) -> None:
        """Take note."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(activity: str, done: float = 0, total: float | None = None) -> None:
    """Say how far an activity has come.

    Args:
        activity: what is done, such as "counting 3-grams".
        done: how much, in any unit.
        total: of how much.
    """
    listener = _listener.get()
    if listener is not None:
        listener(activity, done, total)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Be told of all that is done in the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class Meter:
    """How much of a text has been worked on, while some of it is read ahead.

    Args:
        activity: what is done to it.
        total: its size in any unit, such as bytes; None: not known.

    Attributes:
        units_read: how much has been read, in the same unit.
        tokens_read: likewise, in tokens.
    """

    def __init__(self, activity: str, total: float | None) -> None:
        self._activity = activity
        self._total = total
        self.units_read = 0.0
        self.tokens_read = 0
        self._tokens_done = 0

    def done(self, tokens: int) -> None:
        """So many more tokens are worked on."""
        self._tokens_done += tokens
        if self._total is None:
            tell(f"{self._activity}, {self._tokens_done:,} tokens")
        elif self.tokens_read:
            done = self.units_read * self._tokens_done / self.tokens_read
            tell(self._activity, min(done, self._total), self._total)
