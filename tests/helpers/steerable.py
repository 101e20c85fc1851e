"""A long task for the tests of clusters, which the workers import."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from waiting import LONGEST_SECONDS

from lmctl.jobs.cluster import steered_side

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.jobs.cluster.steered_side import Steering


def hear_nothing_for_long() -> None:
    """Let the tasks of this process wait for a client that is kept from asking."""
    steered_side.SECONDS_OF_SILENCE = LONGEST_SECONDS


class UntilOrdered:
    """Reports its item and its process, and returns the first order; divides if the item is a number.

    Args:
        folders: that its workers must see.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    def folders(self) -> list[Path]:
        return list(self._folders)

    def __call__(self, item: str | int, steering: Steering) -> object:
        if isinstance(item, int):
            return 1 / item
        steering.report((item, os.getpid()))
        while (order := steering.order()) is None:
            time.sleep(0.02)
        return order


class ReportsAtOnce:
    """Reports each letter of its item, and returns the item at once."""

    def __call__(self, item: str, steering: Steering) -> str:
        for letter in item:
            steering.report(letter)
        return item
