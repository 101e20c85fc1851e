"""How long a test waits for a process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A process that takes longer is taken to hang. The limit decides no test: the slowest machine needs far less.
LONGEST_SECONDS = 1800


def wait_until(is_true: Callable[[], bool]) -> None:
    """Wait until a condition holds, or fail after `LONGEST_SECONDS`."""
    end = time.monotonic() + LONGEST_SECONDS
    while not is_true():
        assert time.monotonic() < end, "the process hangs"
        time.sleep(0.05)
