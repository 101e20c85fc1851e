"""Threads that work in turns: one at a time, in the order in which they ask."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Turns:
    """A lock that is handed on in the order of waiting, so nobody takes it twice while another one waits.

    A thread works in a block `with turns:`, and calls `hand_on` after each part of its work.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._is_taken = False
        # A locked lock of each thread that waits; it is released when the turn is theirs.
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> Self:
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return self
            place = self._new_place()
        place.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False

    def hand_on(self) -> None:
        """Let each thread that waits now have a turn first. The caller has the turn, before and after."""
        with self._guard:
            if not self._waiting:
                return
            place = self._new_place()
            self._waiting.popleft().release()
        place.acquire()

    def _new_place(self) -> threading.Lock:
        place = threading.Lock()
        place.acquire()
        self._waiting.append(place)
        return place
