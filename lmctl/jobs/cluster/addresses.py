"""What names a cluster: the address of a scheduler, or `local:N`."""

from __future__ import annotations

import importlib.util
import re

from lmctl.errors import MissingExtraError, UsageError, quoted

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
# Protocols of Dask's addresses. The host of an IPv6 address stands in brackets.
_REMOTE = re.compile(r"(tcp|tls|ws|wss)://(\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]]+):([0-9]{1,5})/?")
_LARGEST_PORT = 65535


def check_scheduler(address: str) -> int | None:
    """Check the name of a cluster, and that Dask is installed. Nothing is connected or imported.

    Args:
        address: `tcp://HOST:PORT`, another address of Dask's, or `local:N`.

    Returns:
        The number of worker processes that are to be started on this machine; None: the address of a scheduler.

    Raises:
        UsageError: the name is none of these.
        MissingExtraError: Dask is not installed.
    """
    local = _LOCAL.fullmatch(address)
    remote = _REMOTE.fullmatch(address)
    if local is None and (remote is None or not 0 < int(remote[3]) <= _LARGEST_PORT):
        raise UsageError(
            f"{quoted(address)}: not the name of a cluster; expected the address of a Dask scheduler, such as "
            "tcp://host:8786, or local:N for N worker processes on this machine"
        )
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError(
            "work on a cluster needs Dask, which is not installed: pip install 'lmctl[cluster]'"
        )
    return None if local is None else int(local[1])
