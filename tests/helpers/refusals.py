"""Checks of a command that refuses its input: one line on standard error, and an exit code."""

from __future__ import annotations


def assert_refused(finished: object, code: int, *parts: str) -> None:
    """Check that standard error is one line with all parts, and check the exit code."""
    assert finished.err.count("\n") == 1, finished.err
    assert finished.err.startswith("lmctl: ")
    assert finished.code == code
    for part in parts:
        assert part in finished.err
