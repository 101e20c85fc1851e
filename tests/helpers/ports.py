"""Addresses of this machine at which no other program listens."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def reserved_addresses(count: int) -> Iterator[list[str]]:
    """HOST:PORT of some ports of the loopback interface, all different.

    A socket is bound to each port until the block ends, so the system gives none of them to another program that
    asks for any free port. Only a program that names the port can listen there.
    """
    with contextlib.ExitStack() as sockets:
        addresses = []
        for _ in range(count):
            reserving = sockets.enter_context(socket.socket())
            # Linux binds two sockets to one port if both have this option, and none of them listens yet.
            reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserving.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{reserving.getsockname()[1]}")
        yield addresses
