"""The errors that a user can meet, each with its exit code.

The command line turns an `LmctlError` into one line on stderr and its exit code; a caller of the Python
API catches it like any exception. Codes from 64 up follow sysexits.h. Anything that is not an `LmctlError`,
an `OSError` or a `MemoryError` is a bug and keeps its traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def quoted(text: str, longest: int = 80) -> str:
    """Return a user's text in quotation marks for a message, cut after `longest` characters."""
    return f"'{text}'" if len(text) <= longest else f"'{text[: longest - 3]}...'"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Return names for a message: a, b, c and 4 more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def joined(names: Sequence[str], conjunction: str = "and") -> str:
    """Return names for a message: a; a and b; a, b and c; or the same with another conjunction."""
    return f" {conjunction} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


class LmctlError(Exception):
    """A failure that a user, the data or the machine caused; its message is one clear line."""

    exit_code = 1


class UsageError(LmctlError):
    """The request itself is wrong: an option, a configuration key, a combination of them."""

    exit_code = 2


class MissingExtraError(LmctlError):
    """The request needs an optional part of lmctl that is not installed."""

    exit_code = 2


class DeviceError(LmctlError):
    """The configured device does not exist."""

    exit_code = 2


class QualityGateError(LmctlError):
    """A quality threshold was not met; the published model stays.

    Args:
        message: the message.
        figures: the measured figures by name.
    """

    exit_code = 3

    def __init__(self, message: str, figures: dict[str, float] | None = None) -> None:
        super().__init__(message)
        self.figures = figures or {}


class DataError(LmctlError):
    """The data is not valid: undecodable text, an empty corpus, a damaged bundle."""

    exit_code = 65


class FormatVersionError(DataError):
    """A bundle has a format version that this lmctl does not read.

    Args:
        message: the message.
        is_older: whether the format is older than this lmctl's; else it is newer.
    """

    def __init__(self, message: str, *, is_older: bool) -> None:
        super().__init__(message)
        self.is_older = is_older


class FamilyError(DataError):
    """A family is not installed, or the package that registers it cannot be loaded."""


class InputMissingError(LmctlError):
    """An input or a model is missing, or is a folder and not a file."""

    exit_code = 66


class AddressError(LmctlError):
    """A program cannot listen on an address: it is taken, or is not one of this machine."""

    exit_code = 69


class UnavailableError(LmctlError):
    """A cluster, a host or the store of a text does not answer, or the workers of a cluster cannot do the work."""

    exit_code = 69


class StorageError(LmctlError):
    """A file could not be read or written: disk full, permissions. Or a text at an address did not come whole."""

    exit_code = 74


class LockedError(LmctlError):
    """Another process holds the lock; a later attempt may succeed."""

    exit_code = 75


class WorkerLostError(LmctlError):
    """A worker of a training on several hosts is missing, or has stopped; the same commands continue."""

    exit_code = 75


class UnsafeFileError(LmctlError):
    """A file with a secret can be read by others."""

    exit_code = 77


class DivergenceError(LmctlError):
    """Training produced a loss that is not a number; nothing is published."""


class OutOfTimeError(LmctlError):
    """A time limit leaves no time to train."""


class InterruptedRunError(LmctlError):
    """A signal ended the run; its work so far is on disk.

    Args:
        message: the message, which names the files that remain.
        signal_number: number of the signal; the exit code is 128 plus this number, as in shells.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
