"""A command that refuses: one line on standard error, and its exit code."""

from __future__ import annotations


def assert_refused(finished: object, code: int, *parts: str) -> None:
    """One line that says all of it, and nothing else."""
    assert finished.err.count("\n") == 1, finished.err
    assert finished.err.startswith("lmctl: ")
    assert finished.code == code
    for part in parts:
        assert part in finished.err
