"""Ports of this machine that are free now."""

import contextlib
import socket


def free_addresses(count):
    """HOST:PORT of some free ports of the loopback interface, all different."""
    with contextlib.ExitStack() as sockets:
        servers = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
