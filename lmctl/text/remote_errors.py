"""One line for what goes wrong at a store, from the exceptions of fsspec and of its packages for protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import InputMissingError, StorageError, UnavailableError, UsageError
from lmctl.text.addresses import public_text

if TYPE_CHECKING:
    from lmctl.errors import LmctlError

# Each package raises classes of its own, and not all of them are kinds of OSError.
ANY_ERROR = Exception

# Names of classes, because the packages that have them are not imported for that. Python's own ones are
# TimeoutError and ConnectionError; the others are of aiohttp, botocore, httpx, fsspec, google-auth and azure-core.
_NO_ANSWER = frozenset(
    {
        "ConnectionError",
        "TimeoutError",
        "gaierror",
        "ClientConnectionError",
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ConnectionClosedError",
        "HTTPClientError",
        "TransportError",
        "FSTimeoutError",
    }
)
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "ProfileNotFound",
        "DefaultCredentialsError",
        "RefreshError",
        "ClientAuthenticationError",
        "LocalTokenNotFoundError",
    }
)
_CUT_OFF = frozenset({"ClientPayloadError", "IncompleteRead", "IncompleteReadError"})
_REPLACED = frozenset({"FileExpired"})
_LONGEST_REASON = 200


def failure(name: str, error: Exception, done: int = 0, announced: int | None = None) -> LmctlError:
    """Make the error for an exception.

    Args:
        name: public name of the text.
        error: the exception. A MemoryError is raised again.
        done: number of bytes that have come.
        announced: number of bytes that were announced; None: not known.
    """
    if isinstance(error, MemoryError):
        raise error
    causes = _causes(error)
    kinds = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    status = next((code for cause in causes if (code := _status(cause)) is not None), None)
    reason = _reason(causes[-1])
    if kinds & _REPLACED:
        return StorageError(f"{name}: was replaced while it was read; run the command again")
    if done or kinds & _CUT_OFF:
        whole = "" if announced is None else f" of {announced:,}"
        return StorageError(f"{name}: cut off after {done:,}{whole} bytes ({reason}); run the command again")
    if status in (401, 403) or "PermissionError" in kinds:
        return StorageError(f"{name}: access is denied ({reason}); check the address and the credentials")
    if kinds & _NO_CREDENTIALS:
        return StorageError(f"{name}: no credentials ({reason}); docs/text.md says where they are read")
    if status in (404, 410):
        return _missing(name)
    if {"FileNotFoundError", "ValueError"} <= kinds:
        # fsspec calls it a missing file if aiohttp or yarl cannot read an address, too.
        return UsageError(f"{name}: no valid address; check the host, the port and the path")
    if kinds & _NO_ANSWER or status in (408, 429) or (status is not None and status >= 500):
        return UnavailableError(f"{name}: the store does not answer ({reason}); try again later")
    if "FileNotFoundError" in kinds and status is None:
        return _missing(name)
    if "IsADirectoryError" in kinds:
        return InputMissingError(f"{name}: is a folder; expected a text file")
    return StorageError(f"{name}: cannot be read: {reason}")


def _missing(name: str) -> InputMissingError:
    patterns = "; patterns are not expanded in addresses, so name each text" if "*" in name else ""
    return InputMissingError(f"{name}: no such file{patterns}")


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and those that caused it, the first cause last."""
    causes = [error]
    while (cause := causes[-1].__cause__) is not None and cause not in causes:
        causes.append(cause)
    return causes


def _status(error: BaseException) -> int | None:
    """The status of HTTP that an exception of aiohttp, httpx or botocore has."""
    answer = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(answer, "status_code", None)
    if isinstance(answer, dict):
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _reason(error: BaseException) -> str:
    """What an exception says, in one line without secrets."""
    said = " ".join(public_text(str(error)).split()) or type(error).__name__
    return said if len(said) <= _LONGEST_REASON else f"{said[: _LONGEST_REASON - 3]}..."
