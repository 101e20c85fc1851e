"""A server from its start to its end: address, signals, and the requests that are answered before it ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import signal
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

from lmctl.errors import AddressError, quoted
from lmctl.serve.access import Access, is_loopback, read_token
from lmctl.serve.app import Server
from lmctl.serve.heads import LimitedHeads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lmctl.serve.starting import Serving

logger = logging.getLogger(__name__)

# Connections that wait to be accepted.
BACKLOG = 2048
# After a signal, a client that has read nothing for this time gets no more of its answer.
STALLED_SECONDS = 3.0


def serve(serving: Serving, announce: Callable[[str], None]) -> None:
    """See `lmctl.serve.starting.start`, which has checked that the packages are installed."""
    token = None if serving.token_file is None else read_token(serving.token_file)
    listener = listen(serving.host, serving.port)
    with listener:
        host = str(listener.getsockname()[0])
        only_loopback = is_loopback(host)
        if token is None and not only_loopback:
            logger.warning(
                "%s can be reached from other machines, and asks for no token; --token-file FILE names one",
                url_of(listener),
            )
        access = Access(token, only_loopback=only_loopback)
        server = Server(serving.model, access=access, limits=serving.limits, batch=serving.batch)
        _run(server, listener, serving.limits.seconds, announce)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket.

    Args:
        host: an address or a host name, whose first address is taken.
        port: the port; 0: any free one.

    Raises:
        AddressError: the address is taken, is not one of this machine, or needs more rights.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no valid name"
        raise AddressError(
            f"--host {host or quoted(host)}: {reason}; expected an address of this machine"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        # Otherwise the port stays taken for a minute after a server has ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise AddressError(_reason(error, host, port)) from error
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program; choose another --port, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} needs more rights than this user has; choose a --port from 1024"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine; choose another --host"
    return f"port {port} of {host}: {error.strerror}"


def url_of(listener: socket.socket) -> str:
    """The URL of a server, with a number as host."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def drop_stalled(connections: Collection[Any], seconds: float) -> None:
    """Close connections whose clients do not read; this has no end of its own.

    Otherwise the server would wait for them until their time is over. While a connection waits for its client,
    nothing is written to it, so its buffer shrinks as soon as the client reads.

    Args:
        connections: uvicorn's protocols; others may come and go.
        seconds: how long a client reads nothing before its connection is closed.
    """
    before: dict[Any, int] = {}
    while True:
        full = {each: each.transport.get_write_buffer_size() for each in connections if each.flow.write_paused}
        for connection, size in full.items():
            if before.get(connection) == size:
                connection.transport.abort()
        before = full
        await asyncio.sleep(seconds)


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which says when requests are answered, and at its end waits for no client that stalls."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        dropping = asyncio.create_task(drop_stalled(self.server_state.connections, STALLED_SECONDS))
        try:
            await super().shutdown(sockets)
        finally:
            dropping.cancel()


def _run(server: Server, listener: socket.socket, seconds: float, announce: Callable[[str], None]) -> None:
    config = uvicorn.Config(
        server.app,
        http=LimitedHeads,
        lifespan="on",
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        # A request that came before the signal is answered, or refused, after its time.
        timeout_graceful_shutdown=math.ceil(seconds) + 1,
    )
    url = url_of(listener)
    runner = _Uvicorn(config, lambda: announce(url))
    _log_failures_of_uvicorn(lambda: runner.force_exit)
    signals = [signal.SIGINT, signal.SIGTERM]
    # nohup ignores SIGHUP, and that is kept.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    # While it runs, uvicorn handles SIGINT and SIGTERM itself, with the same method, and sends them again when it
    # has ended. Here they are the usual end of the server, and no error.
    before = {number: signal.signal(number, runner.handle_exit) for number in signals}
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as loop:
            loop.run(runner.serve(sockets=[listener]))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _OfUvicorn(logging.Handler):
    """Passes errors on to lmctl's log.

    Args:
        is_forced: whether the server ends at once, as after a second SIGINT.
    """

    def __init__(self, is_forced: Callable[[], bool]) -> None:
        super().__init__(logging.ERROR)
        self._is_forced = is_forced

    def emit(self, record: logging.LogRecord) -> None:
        # asyncio then cancels whatever still runs, and Starlette writes the traceback of that as an error.
        if self._is_forced():
            return
        # At its end, the server cancels what it still sends to clients that do not read. uvicorn calls that an
        # exception of the application.
        if record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError):
            logger.handle(record)


def _log_failures_of_uvicorn(is_forced: Callable[[], bool]) -> None:
    """Log uvicorn's errors as lmctl's. Its warnings are about requests that are no HTTP, which anyone can send.

    Args:
        is_forced: see `_OfUvicorn`.
    """
    of_uvicorn = logging.getLogger("uvicorn")
    of_uvicorn.handlers = [_OfUvicorn(is_forced)]
    of_uvicorn.propagate = False
