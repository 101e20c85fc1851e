"""An end of time for long work: one object that every step of a run asks.

Work that can be cut short is done in pieces, and the deadline is asked between them. `paced` makes the pieces:
each is expected to take at most a quarter of the time left. So it ends in time even if the machine becomes four
times as slow meanwhile. Work whose part is worth nothing is ended by an error, at its next report of progress
(`Deadline.enforced`).
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, TypeVar

from lmctl import progress
from lmctl.errors import OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")

# Largest share of the time left that a piece is expected to take.
SHARE_OF_A_PIECE = 0.25


class Deadline:
    """An end of time.

    Args:
        end: in seconds of `clock`; infinite: there is no end.
        clock: a monotonic clock, in seconds.

    Attributes:
        end: as given.
        clock: as given. Work that is measured to plan the time is measured with it.
    """

    def __init__(self, end: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.end = end
        self.clock = clock

    @property
    def exists(self) -> bool:
        """Whether there is an end."""
        return self.end < math.inf

    def left(self) -> float:
        """Return the seconds that are left; negative if the time is over."""
        return self.end - self.clock()

    def is_over(self) -> bool:
        """Return whether no time is left."""
        return self.left() <= 0

    def earlier(self, seconds: float) -> Deadline:
        """Return a deadline that is earlier by this, to leave time for the work after it."""
        return Deadline(self.end - seconds, self.clock)

    @contextlib.contextmanager
    def enforced(self, message: str) -> Iterator[None]:
        """Raise an OutOfTimeError at the first report of progress in the block that comes after the end.

        Args:
            message: the message of the error.
        """
        if not self.exists:
            yield
            return
        outer = progress.listener()

        def look(activity: str, done: float, total: float | None) -> None:
            if self.is_over():
                raise OutOfTimeError(message)
            if outer is not None:
                outer(activity, done, total)

        with progress.listening(look):
            yield


NEVER = Deadline()


def paced(
    items: Iterable[Item], size: Callable[[Item], int], deadline: Deadline, fewest: int, most: int
) -> Iterator[list[Item]]:
    """Yield items in pieces until the time is over. The caller works on a piece before it asks for the next one.

    The first piece is yielded even if no time is left, so that something is done. Without an end, all pieces have
    the largest size.

    Args:
        items: the items.
        size: the size of an item, to which the time of its work is about proportional.
        deadline: the end of the time.
        fewest: smallest size of a piece, unless the items end; the size of the first piece.
        most: largest size of a piece. The last item of a piece may exceed it.
    """
    iterator = iter(items)
    aim = fewest if deadline.exists else most
    while True:
        piece, units = [], 0
        for item in iterator:
            piece.append(item)
            units += size(item)
            if units >= aim:
                break
        if not piece:
            return
        began = deadline.clock()
        yield piece
        if not deadline.exists:
            continue
        seconds = deadline.clock() - began
        fitting = SHARE_OF_A_PIECE * deadline.left() * units
        if fitting < fewest * seconds or deadline.is_over():
            return
        aim = most if fitting >= most * seconds else int(fitting / seconds)
