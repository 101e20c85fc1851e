"""Gives memory that is free back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def give_back() -> None:
    """Give the free memory of this process back to the system, if its C library is glibc.

    glibc keeps pages that were freed for later requests. What TensorFlow took for tensors is not among them: its
    own allocator keeps that until the process ends.
    """
    # There is no such function in other C libraries, and no such library on other systems.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
