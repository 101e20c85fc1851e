"""What a server is started with, and its start; nothing here needs the packages of the extra `serve`."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lmctl.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
# Packages of the extra.
_PACKAGES = ("starlette", "uvicorn", "httptools", "prometheus_client")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of a server. The lengths of texts and lists are in `lmctl.serve.bodies`.

    Attributes:
        body_bytes: the largest body of a request; a larger one is refused with 413.
        requests: the most requests that are read or wait for an answer at once; others are refused with 503.
        seconds: the longest time from the first byte of a request to its answer; then it is refused with 503.
    """

    body_bytes: int = 1 << 20
    requests: int = 256
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Serving:
    """What a server is started with.

    Attributes:
        model: the name of a model, as `-m` takes it; None: the only one.
        host: the address or host name to listen on.
        port: the port; 0: any free one.
        token_file: file of the token that clients send; None: no token is asked for.
        batch: the most requests that are answered as one batch.
        limits: what a client may ask.
    """

    model: str | None = None
    host: str = LOOPBACK
    port: int = 0
    token_file: Path | None = None
    batch: int = 64
    limits: Limits = field(default_factory=Limits)


def start(serving: Serving, announce: Callable[[str], None]) -> None:
    """Serve until a signal arrives, and answer the requests that have come until then.

    Args:
        serving: the settings.
        announce: is called with the URL as soon as requests are answered.

    Raises:
        MissingExtraError: a package of the extra `serve` is not installed.
        AddressError: the address is taken, or is not one of this machine.
        UnsafeFileError: others can read the file of the token.
        DataError: the file has no token, or the model is damaged.
        InputMissingError: there is no model, or no file of the token.
        UsageError: no model was named and there are several.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"serving needs {missing[0]}, which is not installed: pip install 'lmctl[serve]'")
    from lmctl.serve.server import serve

    serve(serving, announce)
